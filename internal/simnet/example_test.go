package simnet_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// Two state machines without goroutines exchange packets: the loop moves the
// clock from one arrival to the next.
func ExampleNetwork() {
	a := netip.MustParseAddrPort("192.0.2.1:9899")
	b := netip.MustParseAddrPort("192.0.2.2:9899")
	n := simnet.New(1)
	n.SetLink(a.Addr(), b.Addr(), simnet.Link{Delay: 10 * time.Millisecond})

	start := time.Unix(0, 0)
	n.Send(start, a, carrier.Datagram{Remote: b, Data: []byte("ping")})
	for when, ok := n.Next(); ok; when, ok = n.Next() {
		for _, p := range n.Deliver(when) {
			fmt.Printf("%v %s > %s %s\n", when.Sub(start), p.From, p.To, p.Data)
			if p.To == b {
				n.Send(when, p.To, carrier.Datagram{Remote: p.From, Data: []byte("pong")})
			}
		}
	}
	// Output:
	// 10ms 192.0.2.1:9899 > 192.0.2.2:9899 ping
	// 20ms 192.0.2.2:9899 > 192.0.2.1:9899 pong
}
