// Package interop holds the tests of our stack beside pion/sctp, over UDP on
// loopback. They are here and not in the module's own interop folder because that
// stack is a module which only this one may require; unlike the tests there they
// need neither root nor a rig: make test-compare.
package interop
