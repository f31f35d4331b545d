// Package core is a registrar (RFC 5352 §3, RFC 5353) as a deterministic state
// machine: it keeps the handlespace, serves pool elements and pool users by
// ASAP, and keeps itself and its peers in step by ENRP.
//
// It does no I/O, reads no clock, starts no goroutine and takes no lock. All that
// happens to it is an input with the time it happened at; all it wants done is
// pulled:
//
//	id := r.Accept(now, conn)          // inputs: Accept, Connected, Lost,
//	r.Receive(now, id, ppid, message)  // Receive, HandleTimeout, Drain
//	for {
//		a, ok := r.PollAction()    // dial, send, close
//		…
//	}
//	for {
//		e, ok := r.PollEvent()     // what happened, for logs and metrics
//		…
//	}
//	when, ok := r.NextTimeout()        // call HandleTimeout then
//
// After any input the caller drains PollAction, then PollEvent, then looks at
// NextTimeout. Two runs with the same inputs, times and random bytes do the
// same. A Registrar is not safe for concurrent use.
//
// # Connections
//
// An SCTP association is a connection, numbered by the Registrar: Accept
// announces one that somebody opened, and a Dial action asks for one and gives
// its number. A connection ends with Lost or with a Close or Abort action, after
// which its number means nothing any more and inputs that name it are ignored.
//
// # Who owns an element
//
// Every element has one home registrar. It becomes home by a registration
// (RFC 5352 §3.1 rule 4) or by a takeover (RFC 5353 §3.5), and only the home
// sends keep-alives, removes the element and announces changes of it. When two
// registrars believe to be home, after a partition or because their messages
// crossed, the one that can prove it by an association on which the element
// answers keeps it; see update.go.
//
// The package is exported for programs that bring their own event loop, for
// fuzzing and for simulations. Its interface may change without notice.
package core
