// Package netns gives tests hosts of their own: network namespaces joined by virtual
// links, on which they may break MTUs and routes without touching the machine.
//
//	a, b := netns.New(t), netns.New(t)
//	netns.Link(t, a, b, netns.Wire{A: []string{"10.0.0.1/24"}, B: []string{"10.0.0.2/24"}, MTU: 1400})
//	var c net.PacketConn
//	require.NoError(t, a.Do(func() (err error) { c, err = net.ListenPacket("udp", "10.0.0.1:0"); return err }))
//
// Only the calls of Do happen on the host; a socket that was opened there stays
// there and may be used by any goroutine.
//
// It is for Linux and wants CAP_SYS_ADMIN and the command ip; New skips the test
// without them.
package netns
