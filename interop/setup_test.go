//go:build interop

package interop

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// Both ends connect to each other at once, and their INITs cross on a slow network:
// one association comes of it (RFC 9260 §5.2.1, §5.2.4 B and D).
func TestSimultaneousOpen(t *testing.T) {
	t.Parallel()
	k, n := newKernel(t), newNode(t)
	ctx := within(t, time.Minute)
	file := capture(t, "collision", "host "+n.addr())
	slow := impaired(n.sockets(t, n.addr()), impairment{latency: 400 * time.Millisecond})
	k.sysctl(t, "net.sctp.rto_initial=2000") // nobody needs to say it twice
	x := sized(20)
	port := newPort()
	x.bind, x.port, x.to, x.dport = []string{k.addr()}, port, []string{n.addr()}, port
	s := stackOn(t, slow)
	p := x.start(t, k, "xfer", "connect")
	require.Eventually(t, func() bool { return slow[0].(*badCarrier).nIn.Load() > 0 }, 10*time.Second, time.Millisecond)
	// Its INIT is at our door and will be let in 400 ms from now.
	a, err := s.Dial(ctx, &sctp.Addr{IPs: parse(x.bind), Port: uint16(port)},
		&sctp.Config{LocalPort: uint16(port), RTOInitial: 5 * time.Second, RTOMin: 2 * time.Second})
	require.NoError(t, err)
	defer a.Close()
	x.begin(ctx, a).wait(t)
	x.finish(ctx, t, server, a, p)
	endCapture(t, "collision")
	var inits []string
	for line := range strings.Lines(chunks(t, file)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[1] != "1" {
			break
		}
		inits = append(inits, f[0])
	}
	require.ElementsMatch(t, []string{k.addr(), n.addr()}, inits, "the INITs did not cross")
}

// Cookies live shorter than a round trip takes: the side that connects asks for more
// time with a Cookie Preservative and gets it (RFC 9260 §5.2.6), whoever that is.
func TestStaleCookie(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		file := capture(t, "stale-"+role, "host "+n.addr())
		slow := impaired(n.sockets(t, n.addr()), impairment{latency: 100 * time.Millisecond})
		k.sysctl(t, "net.sctp.valid_cookie_life=50")
		a, p := meetScript(ctx, t, role, n, k, slow, &sctp.Config{CookieLife: 50 * time.Millisecond}, "echo")
		echoes(ctx, t, a, "fresh enough")
		require.NoError(t, a.Shutdown(ctx))
		p.await(t, "end of stream", 10*time.Second)
		endCapture(t, "stale-"+role)
		from := map[string]string{client: k.addr(), server: n.addr()}[role]
		require.Contains(t, chunks(t, file), from+" 9\n", "no cookie was stale")
	})
}

// Parameters that one end does not know are skipped or reported by their two highest
// bits (RFC 9260 §3.2.2), and neither end minds what the other says about that.
func TestUnknownParameters(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		file := capture(t, "unknown-"+role, "host "+n.addr())
		odd := edited(n.sockets(t, n.addr()), addUnknown)
		a, p := meetScript(ctx, t, role, n, k, odd, nil, "echo")
		echoes(ctx, t, a, "all the same")
		require.NoError(t, a.Shutdown(ctx))
		p.await(t, "end of stream", 10*time.Second)
		endCapture(t, "unknown-"+role)
		const reported, skipped, forwardTSN = "0xc0f1", "0x80f2", "0xc000"
		if role == client {
			said := fields(t, file, k.addr(), "2", "sctp.parameter_type")
			require.Contains(t, said, reported)
			require.NotContains(t, said, skipped)
			return
		}
		// The kernel has FORWARD-TSN-SUPPORTED (RFC 3758) in its INIT, we report it.
		require.Contains(t, fields(t, file, k.addr(), "1", "sctp.parameter_type"), forwardTSN)
		require.Contains(t, fields(t, file, n.addr(), "2", "sctp.parameter_type"), "0x0008,"+forwardTSN)
		// It reports ours in an ERROR behind its COOKIE ECHO.
		require.Equal(t, "0x0008", fields(t, file, k.addr(), "9", "sctp.cause_code"))
	})
}

// addUnknown adds two parameters to an INIT or INIT ACK: one to skip and report, one
// to skip.
func addUnknown(packet []byte) []byte {
	if t := packet[12]; t != 1 && t != 2 {
		return packet
	}
	packet = append(packet, 0xc0, 0xf1, 0, 8, 1, 2, 3, 4, 0x80, 0xf2, 0, 8, 5, 6, 7, 8)
	binary.BigEndian.PutUint16(packet[14:], uint16(len(packet)-12))
	return packet
}
