//go:build race

package sctp_test

// raceEnabled says that the race detector is on, which slows down and allocates.
const raceEnabled = true
