//go:build interop

package interop

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool/csp"
)

// rsplib's cspmonitor shows our registrars, elements and users, with what they are connected
// to, and takes them off when they end.
func TestCSPMonitorShowsOurs(t *testing.T) {
	inScope(t)
	h := newHost(t)
	server := fmt.Sprintf("%s:%d", h.addr(), csp.DefaultPort)
	m := startHost(t, "cspmonitor", "-localaddress="+server, "-updateinterval=250", "-full")
	with := []string{"--csp-server", h.addr(), "--csp-interval", "200ms"}
	reg := newHost(t)
	ourRegistrar(t, reg, 0x9999c5b1, with...)
	el := newHost(t)
	serve(t, el, encapPort, "echo", "CSPPool", 0x7777c5b2, reg.addr(), with...)
	c := startHost(t, append([]string{"sh", "-c", `(echo hello; sleep 30) | "$@"`, "sh", bin("rserpool"), "call", "CSPPool",
		"--registrar", fmt.Sprintf("%s:%d", reg.addr(), asapPort)}, with...)...)
	for _, re := range []string{
		`PR \$9999c5b1 *\[`, `"1\[1\] PEs in 1 Pools, 0 Peers"`,
		`PE \$7777c5b2 *\[`, `"CSPPool: 1 session"`,
		`PU \$[0-9a-f]+ *\[`, `"CSPPool: 0 fail-overs"`,
		`-> PR \$9999c5b1 +ASAP/SCTP`, `-> PE \$7777c5b2 +Data/SCTP`, `duration=0:00:0[1-9]`, `U=00:00:0[1-9]`,
	} {
		m.await(t, re, 20*time.Second)
	}
	c.kill(t)
}

// The reports of rsplib's programs are what our codec says they are.
func TestCSPOfRsplib(t *testing.T) {
	inScope(t)
	h := newHost(t)
	l, err := net.ListenPacket("udp", h.addr()+":0")
	require.NoError(t, err)
	defer l.Close()
	to := []string{"-cspserver=" + l.LocalAddr().String(), "-cspinterval=250"}
	startRegistrar(t, r1, 0x11111111)
	startElement(t, r2, "element", "echo", "CSPTheirs", 0xb0c5, "LeastUsed", r1.addr(), to...)
	got := map[csp.Group]*csp.Report{}
	buf := make([]byte, 2048)
	homed := func() bool { // only a keep-alive tells rsplib's elements who their home is
		pe := got[csp.PoolElement]
		return pe != nil && len(pe.Associations) == 1 && pe.Associations[0].Receiver.Number() != 0
	}
	for end := time.Now().Add(20 * time.Second); !homed(); {
		require.NoError(t, l.SetReadDeadline(end))
		n, _, err := l.ReadFrom(buf)
		require.NoError(t, err, "%v", got)
		r, err := csp.Decode(buf[:n])
		require.NoError(t, err, "%x", buf[:n])
		got[r.Sender.Group()] = r
	}
	pe := got[csp.PoolElement]
	t.Logf("%+v", pe)
	require.EqualValues(t, 0xb0c5, pe.Sender.Number())
	require.Equal(t, 250*time.Millisecond, pe.Interval)
	require.Less(t, pe.Uptime, time.Minute)
	require.Equal(t, csp.NewID(csp.Registrar, 0x11111111), pe.Associations[0].Receiver)
	require.EqualValues(t, 132, pe.Associations[0].Protocol)
	require.EqualValues(t, 11, pe.Associations[0].PPID)
	require.Equal(t, "0 Sessions", pe.Status)
	require.Zero(t, pe.Workload)
}
