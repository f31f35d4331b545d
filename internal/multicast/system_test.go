package multicast_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/multicast"
)

// freePort is a UDP port that nobody has, nor gets by asking for any.
func freePort(t testing.TB) uint16 {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		if c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err == nil {
			require.NoError(t, c.Close())
			return uint16(port)
		}
	}
	require.Fail(t, "no free port")
	return 0
}

// loopback is the name of the loopback interface.
func loopback(t testing.TB) string {
	t.Helper()
	ifs, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i.Name
		}
	}
	t.Skip("no loopback interface")
	return ""
}

// eventually waits until something was heard.
func (e *ears) eventually(t testing.TB, what string, again func()) {
	t.Helper()
	require.Eventually(t, func() bool {
		again()
		time.Sleep(20 * time.Millisecond)
		return strings.Contains(strings.Join(e.take(), "\n"), what)
	}, 20*time.Second, 10*time.Millisecond, what)
}

// On real sockets, several programs on one host are in a group at the same port and
// hear each other, and what is sent comes from the port asked for, which they share.
func TestLoopbackOfOneHost(t *testing.T) {
	lo := []string{loopback(t)}
	port := freePort(t)
	groups := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("239.0.0.50"), port)}
	other := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("239.0.0.51"), port)}
	var heard [2]ears
	var elsewhere ears
	var conns [2]*multicast.Conn
	for i := range heard {
		conns[i] = open(t, multicast.Config{Groups: groups, Interfaces: lo, Receive: heard[i].hear, Send: true, SourcePort: port})
	}
	// Linux hands a socket the groups of others on its port.
	open(t, multicast.Config{Groups: other, Interfaces: lo, Receive: elsewhere.hear})
	for i, c := range conns {
		from := " from 127.0.0.1:" + strconv.Itoa(int(port))
		text := "hello " + strconv.Itoa(i)
		again := func() { c.Send(func([]netip.Addr) []byte { return []byte(text) }) }
		heard[0].eventually(t, text+from, again)
		heard[1].eventually(t, text+from, again)
	}
	require.Empty(t, elsewhere.take())
}

// A port that somebody has for himself is no obstacle to sending.
func TestSourcePortTaken(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer c.Close()
	port := freePort(t)
	groups := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("239.0.0.50"), port)}
	var heard ears
	m := open(t, multicast.Config{Groups: groups, Interfaces: []string{loopback(t)}, Receive: heard.hear, Send: true,
		SourcePort: c.LocalAddr().(*net.UDPAddr).AddrPort().Port()})
	heard.eventually(t, "x from 127.0.0.1:", func() { m.Send(func([]netip.Addr) []byte { return []byte("x") }) })
}
