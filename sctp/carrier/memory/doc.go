// Package memory is a network inside a process, for tests of programs that embed
// SCTP: no sockets, no ports of the machine, no privileges.
//
//	network := memory.New()
//	c, err := network.Listen(netip.MustParseAddrPort("192.0.2.1:9899"))
//	if err != nil {
//		return err
//	}
//	stack, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{c}})
//
// Everybody reaches everybody at once, until SetHook says which packets get lost and how
// long the others take. All waiting is done with packages sync and time, so that in a
// testing/synctest bubble the time of the network is the fake one.
//
// A Network has no goroutines of its own. It has no MTU, ICMP, NATs or randomness
// either; a test that wants loss brings its own dice.
package memory
