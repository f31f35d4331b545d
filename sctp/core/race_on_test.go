//go:build race

package core_test

// floodSize is the number of packets in floods: under the race detector, which
// makes them tenfold slow, a sample.
const floodSize = 20_000
