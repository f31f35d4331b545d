//go:build !race

package udpencap_test

const raceEnabled = false
