package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool/csp"
)

// Registrars, elements and users report to a monitor, what they are connected to included.
func TestComponentStatusReports(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	with := []string{"--csp-server", l.LocalAddr().String(), "--csp-interval", "20ms"}
	ports, err := freePorts(1)
	require.NoError(t, err)
	at := asapOn(ports[0])[1]
	r := start(t, append([]string{"registrar", "--listen", "127.0.0.1@" + strings.Split(at, "@")[1], "--id", "abc", "--profile", "fast", "--http", "off"}, with...)...)
	r.await("ready")
	flags := append([]string{"--registrar", at, "--profile", "fast"}, with...)
	serve(t, flags, "echo", "--pool", "EchoPool", "--policy", "LeastUsed", "--sessions", "4", "--id", "77")
	start(t, append([]string{"call", "EchoPool"}, flags...)...)

	report := func(good func(r *csp.Report) bool) {
		t.Helper()
		b := make([]byte, 2048)
		var last *csp.Report
		for end := time.Now().Add(15 * time.Second); last == nil || !good(last); {
			require.NoError(t, l.SetReadDeadline(end))
			n, _, err := l.ReadFrom(b)
			require.NoError(t, err, "%+v", last)
			last, err = csp.Decode(b[:n])
			require.NoError(t, err)
		}
	}
	registrar, element := csp.NewID(csp.Registrar, 0xabc), csp.NewID(csp.PoolElement, 0x77)
	report(func(r *csp.Report) bool {
		return r.Sender == registrar && r.Status == "1[1] PEs in 1 Pools, 0 Peers" && r.Location == at && len(r.Associations) == 0
	})
	report(func(r *csp.Report) bool {
		return r.Sender == element && r.Status == "EchoPool: 1 session" && r.Workload > 0.24 && r.Workload < 0.26 &&
			len(r.Associations) == 1 && r.Associations[0].Receiver == registrar && r.Associations[0].PPID == 11 && r.Associations[0].Duration > 0
	})
	report(func(r *csp.Report) bool {
		return r.Sender.Group() == csp.PoolUser && r.Status == "EchoPool: 0 fail-overs" && len(r.Associations) == 1 && r.Associations[0].Receiver == element
	})
	for args, want := range map[string]string{"serve echo --pool P --csp-interval -1s": "--csp-interval", "call P --csp-server 127.0.0.1:x": "--csp-server",
		"registrar --csp-server 127.0.0.1:0": "--csp-server"} {
		res := command(t, "", strings.Fields(args)...)
		require.Equal(t, exitUsage, res.code, args)
		require.Contains(t, res.err, want)
	}
}
