//go:build !race

package core_test

// floodSize is the number of packets in floods.
const floodSize = 1_000_000
