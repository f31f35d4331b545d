// Package simnet is a seeded network of simulated links for tests: loss,
// duplication, reordering, delay, bandwidth, MTU, corruption, partitions, dead
// paths and NATs, with the same outcome for the same seed.
//
// It has two layers. The lower one, Network, is a discrete-event queue without a
// clock or goroutines: a test puts datagrams in with Send, asks Next when the
// next one arrives, moves its own clock there, and takes it out with Deliver.
//
//	n := simnet.New(1)
//	n.SetLink(a.Addr(), b.Addr(), simnet.Link{Loss: 0.1, Delay: 10 * time.Millisecond})
//	n.Send(now, a, carrier.Datagram{Remote: b, Data: packet})
//	if when, ok := n.Next(); ok {
//		now = when
//		for _, p := range n.Deliver(now) {
//			receive(p.To, p.From, p.Data) // here p.To == b
//		}
//	}
//
// The upper layer gives hosts a carrier.Carrier on the same Network, for tests of
// code with goroutines. It uses the time package, so that in a testing/synctest
// bubble hours of traffic take microseconds; a blocked ReadBatch is durably
// blocked in the sense of that package.
//
//	h := n.Host(addr1, addr2)
//	c, err := h.Carrier(netip.AddrPortFrom(addr1, 9899))
//
// Addresses need no registration: any address reaches any other over the default
// link, which is perfect and instantaneous until SetDefaultLink says otherwise.
// Links, partitions and dead paths are kept per direction and per pair of
// addresses, so each path of a multi-homed association can fail alone.
//
// # Determinism
//
// Every direction of a link draws from its own math/rand/v2 PCG stream, which
// derives from the seed of the network and the two addresses. A run of the lower
// layer is a pure function of the seed and of the calls; a link's fate does not
// depend on the traffic of other links, which keeps runs with several sending
// goroutines reproducible as far as the order within each direction is.
//
// The package does not simulate routers, ARP or the fragments of a datagram. One
// that is too big vanishes, as in a path MTU black hole, and the observer is told;
// with SetICMP the sender is told as well, and of ports that nobody has.
package simnet
