package netns_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/netns"
)

func TestHostsTalkThroughTheirRouterOnly(t *testing.T) {
	a, r, b := netns.New(t), netns.New(t), netns.New(t)
	netns.Link(t, a, r, netns.Wire{A: []string{"10.1.0.1/24"}, B: []string{"10.1.0.2/24"}})
	netns.Link(t, r, b, netns.Wire{A: []string{"10.2.0.2/24"}, B: []string{"10.2.0.1/24"}})
	r.Forward(t)
	a.IP(t, "route", "add", "default", "via", "10.1.0.2")
	b.IP(t, "route", "add", "default", "via", "10.2.0.2")

	open := func(h *netns.Host, addr string) (c net.PacketConn) {
		require.NoError(t, h.Do(func() (err error) {
			c, err = net.ListenPacket("udp", addr)
			return err
		}))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ca, cb := open(a, "10.1.0.1:0"), open(b, "10.2.0.1:0")
	_, err := ca.WriteTo([]byte("hello"), cb.LocalAddr())
	require.NoError(t, err)
	buf := make([]byte, 100)
	n, from, err := cb.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]))
	require.Equal(t, ca.LocalAddr().String(), from.String())

	_, err = net.ListenPacket("udp", "10.1.0.1:0")
	require.Error(t, err, "nothing of it is on the machine itself")
}
