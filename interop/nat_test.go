//go:build interop

package interop

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A natBox passes UDP datagrams between one client and a server, with an address of
// its own towards either. Rebinding gives it another UDP port towards the server, as
// NATs do when they forget.
type natBox struct {
	in     *net.UDPConn
	server netip.AddrPort

	mu     sync.Mutex
	client netip.AddrPort
	out    *net.UDPConn
	old    []*net.UDPConn // still open, so that what comes there gets no ICMP answer
}

// newNAT starts a box at host h, which clients take for the server.
func newNAT(t testing.TB, h host, server string) *natBox {
	t.Helper()
	in, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(h.udp()))
	require.NoError(t, err)
	b := &natBox{in: in, server: netip.AddrPortFrom(netip.MustParseAddr(server), encapPort)}
	b.rebind(t, h)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		_ = b.in.Close()
		for _, c := range append(b.old, b.out) {
			_ = c.Close()
		}
	})
	go b.forward()
	return b
}

// rebind takes another port towards the server; what comes to the old one is lost.
func (b *natBox) rebind(t testing.TB, h host) {
	t.Helper()
	out, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(h.addr())})
	require.NoError(t, err)
	b.mu.Lock()
	if b.out != nil {
		b.old = append(b.old, b.out)
	}
	b.out = out
	b.mu.Unlock()
	go b.back(out)
}

func (b *natBox) forward() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := b.in.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.client = from
		_, _ = b.out.WriteToUDPAddrPort(buf[:n], b.server)
		b.mu.Unlock()
	}
}

func (b *natBox) back(out *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := out.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		b.mu.Lock()
		if from == b.server && out == b.out {
			_, _ = b.in.WriteToUDPAddrPort(buf[:n], b.client)
		}
		b.mu.Unlock()
	}
}

// A NAT gives the side that connects another UDP port, three times in mid-transfer:
// the other end follows (RFC 6951 §5.4).
func TestNATRebinding(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n, h := newKernel(t), newNode(t), newHost(t)
		ctx := within(t, time.Minute)
		box := newNAT(t, h, map[string]string{client: k.addr(), server: n.addr()}[role])
		x := sized(1500)
		x.rate = 250
		// The side that connects knows the box only.
		x.bind, x.to = []string{k.addr()}, []string{h.addr()}
		a, p := x.through(ctx, t, role, n.stack(t, n.addr()), nil, k, []string{h.addr()})
		e := x.begin(ctx, a)
		for i := range 3 {
			e.reaches(t, 250*(i+1), 20*time.Second)
			box.rebind(t, h)
		}
		e.wait(t)
		out := x.finish(ctx, t, role, a, p)
		t.Logf("longest silence %.2f s here, %.2f s at the peer", e.gap.Seconds(), gap(t, out).Seconds())
	})
}
