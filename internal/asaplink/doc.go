// Package asaplink is what the shells of a pool element and of a pool user have in
// common: an Agent drives an asap/core.Endpoint over associations with registrars,
// and a Channel is a data association between a user and an element, with the ASAP
// control channel beside the data (RFC 5352 §3.8).
//
//	a, err := asaplink.Start(&asaplink.Config{Core: …, Stack: stack, OnEvent: handle})
//	…
//	a.Do(func(now time.Time, e *core.Endpoint) { e.Resolve(now, "pool", -1) })
//	…
//	a.Close()
//
// It knows nothing about sessions, fail-over or registration: those are for
// packages poolelement and pooluser.
package asaplink
