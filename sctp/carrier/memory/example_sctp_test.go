package memory_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/memory"
)

// Two stacks on a network that loses every fifth packet.
func Example() {
	network := memory.New()
	sent := 0
	network.SetHook(func(memory.Packet) (time.Duration, bool) {
		sent++
		return time.Millisecond, sent%5 != 0
	})
	open := func(addr string) *sctp.Stack {
		c, err := network.Listen(netip.MustParseAddrPort(addr))
		if err != nil {
			panic(err)
		}
		s, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{c}})
		if err != nil {
			panic(err)
		}
		return s
	}
	server, client := open("192.0.2.1:9899"), open("192.0.2.2:9899")
	defer func() { _ = server.Close() }()
	defer func() { _ = client.Close() }()

	fast := &sctp.Config{RTOInitial: 10 * time.Millisecond, RTOMin: 10 * time.Millisecond}
	l, err := server.Listen(&sctp.Addr{Port: 7}, fast)
	if err != nil {
		panic(err)
	}
	go func() {
		a, err := l.AcceptSCTP(context.Background())
		if err != nil {
			return
		}
		m, err := a.ReceiveMessage(context.Background(), nil, 100)
		if err == nil {
			_ = a.Send(context.Background(), &sctp.Message{Data: append([]byte("echo of "), m.Data...)})
		}
	}()
	a, err := client.Dial(context.Background(), &sctp.Addr{IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Port: 7}, fast)
	if err != nil {
		panic(err)
	}
	if err := a.Send(context.Background(), &sctp.Message{Data: []byte("a message")}); err != nil {
		panic(err)
	}
	m, err := a.ReceiveMessage(context.Background(), nil, 100)
	fmt.Println(string(m.Data), err)
	// Output: echo of a message <nil>
}
