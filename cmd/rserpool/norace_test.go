//go:build !race

package main

// raceDetector says that processes are slow and large because they are watched.
const raceDetector = false
