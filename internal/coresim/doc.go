// Package coresim runs SCTP associations (sctp/core) against each other on a
// simulated network (internal/simnet) and checks, after each step, what must hold
// whatever happens: messages arrive once, unchanged and in the order of their
// stream; counters fit what they count; deadlines lie ahead; nothing grows without
// bound; and an association makes progress or ends.
//
// [Run] plays a whole story from a seed: random configurations, a bad network,
// users that do as they like, mishaps. [Bulk] moves much data over one bad link.
// [Play] interprets bytes as a program of actions against a pair; it is what the
// fuzzer drives.
//
// A failure is an error that names the seed; the same seed fails the same way.
package coresim
