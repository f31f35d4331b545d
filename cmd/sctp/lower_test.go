package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier/rawip"
)

func TestPerfOverSeveralSockets(t *testing.T) {
	s, addr := perfServer(t, "--sockets", "2")
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "assoc", "100", "4", "--sockets", "-1")
	require.NoError(t, err)
	require.Zero(t, figures(t, out)["failed"])
	s.wait()
}

// With --ip there is no UDP, and no port of it in addresses.
func TestPerfDirectlyOverIP(t *testing.T) {
	// Other tests on this machine hear everything: a loopback address of our own.
	ip := netip.AddrFrom4([4]byte{127, 132, byte(rand.N(256)), byte(1 + rand.N(254))})
	probe, err := rawip.Listen(ip, nil)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, probe.Close())
	addr := fmt.Sprintf("%v:%d", ip, 20_000+rand.N(10_000))
	s := start(t, "perf", "server", addr, "--ip")
	require.Eventually(t, func() bool { return s.out.String() == "ready\n" }, 10*time.Second, 2*time.Millisecond)
	out, err := execute(t, strings.NewReader(""), "perf", "client", addr, "pingpong", "64", "10", "--ip")
	require.NoError(t, err)
	require.EqualValues(t, 10, figures(t, out)["msgs"])
	s.wait()
}

func TestLowerLayer(t *testing.T) {
	any := &sctp.Addr{IPs: []netip.Addr{netip.IPv6Unspecified()}, UDPPort: 1234}
	require.Equal(t, sctp.StackConfig{ListenAddrs: any.IPs, UDPPort: 1234, Sockets: 3}, (&lowerLayer{sockets: 3}).stack(any))
	require.Equal(t, sctp.StackConfig{RawIP: true, UDPPort: 1234}, (&lowerLayer{ip: true}).stack(any), "both families")
	require.Equal(t, sctp.StackConfig{}, (&lowerLayer{}).stack(nil))
}
