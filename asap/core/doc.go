// Package core is the ASAP endpoint (RFC 5352) of a pool element or a pool user
// as a deterministic state machine: it hunts for a registrar, registers and
// keeps registered, answers keep-alives, resolves pool handles through a cache
// and reports unreachable elements.
//
// It does no I/O, reads no clock, starts no goroutine and takes no lock. All
// that happens to it is an input with the time it happened at; all it wants done
// is pulled:
//
//	e.HandleMessage(now, link, b)  // inputs: HandleConnected, HandleLost, HandleTimeout, Register, …
//	for {
//		out, ok := e.PollOutput()  // dial a registrar, send a message, close an association
//		…
//	}
//	for {
//		ev, ok := e.PollEvent()    // what the application should know
//		…
//	}
//	when, ok := e.NextTimeout()    // call HandleTimeout then
//
// After any input the caller drains PollOutput, then PollEvent, then looks at
// NextTimeout. Two runs with the same inputs, times and random bytes do the
// same. An Endpoint is not safe for concurrent use.
//
// # Links
//
// An association with a registrar is a link. The Endpoint numbers them: it asks
// for one with a Dial output, and HandleAccepted announces one that a registrar
// opened. A link ends either with HandleLost or with a Close output, after which
// its number means nothing any more and inputs that name it are ignored.
//
// # What it does not do
//
// It knows nothing about data associations between users and elements, nor about
// which element of a pool to choose: that is for packages poolelement and
// pooluser.
//
// The package is exported for programs that bring their own event loop, for
// fuzzing and for simulations. Its interface may change without notice.
package core
