// Package core is the SCTP protocol (RFC 9260) as a deterministic state machine:
// no socket, clock, goroutine, lock or global. Package sctp wraps it with all of
// these; simulators, fuzzers and other transports may use it directly. The API is
// unstable: it follows what package sctp needs.
//
// # Contract
//
// Inputs are [Association.HandlePacket], [Association.HandleTimeout] and the calls
// of the user (Send, Receive, Shutdown, Abort). Each takes the current time; time
// must not run backwards by more than an adjustment of the clock does. After any
// input the caller drains the outputs, in this order:
//
//	for { t, ok := a.PollTransmit(now, buf, segments); if !ok { break }; send(t) }
//	for { e, ok := a.PollEvent(); if !ok { break }; handle(e) }
//	deadline, running := a.NextTimeout()
//
// A run is a pure function of its inputs and of Config.Rand, so a failure replays
// from a seed. An Association is not safe for concurrent use.
//
// Bytes handed to HandlePacket are not kept: user data is copied once, into the
// reassembly buffers. What PollTransmit returns lies in the caller's buffer and
// is valid until the next call with the same buffer.
//
// Packets that belong to no association (INIT, COOKIE ECHO, out of the blue) go
// to a [Responder], which keeps no state but its keys.
package core
