//go:build interop

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// SCTP as kernels speak it by themselves: directly over IP, to two addresses each.
func TestRawIP(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"IPv4", "IPv6", "both"} {
		t.Run(family, func(t *testing.T) {
			eachRole(t, func(t *testing.T, role string) {
				k, n := newKernel(t), newNode(t)
				k.speak(t, rawIP)
				mine, theirs := n.both(), k.both()
				switch family {
				case "IPv6":
					mine, theirs = n.both6(), k.both6()
				case "both":
					mine, theirs = mixed(mine, n.both6()), mixed(theirs, k.both6())
				}
				x := sized(20_000)
				a := x.play(within(t, time.Minute), t, role, stackOn(t, n.layer(t, rawIP, mine...)), nil, k, mine, theirs)
				require.Len(t, a.Paths(), 2)
				t.Logf("%+v", a.Stats())
			})
		})
	}
}

// A stack with both layers answers as it is spoken to (RFC 6951 §5.4).
func TestBothLayersAtOnce(t *testing.T) {
	t.Parallel()
	k, n := newKernel(t), newNode(t)
	s := stackOn(t, append(n.layer(t, udp, n.addr()), n.layer(t, rawIP, n.addr())...))
	for _, below := range []layer{udp, rawIP, udp} {
		t.Run(string(below), func(t *testing.T) {
			k.speak(t, below)
			x := sized(1000)
			x.play(within(t, time.Minute), t, server, s, nil, k, []string{n.addr()}, []string{k.addr()})
		})
	}
}

// Nobody listens; nobody there speaks SCTP over IP, which the host tells by ICMP
// protocol unreachable (RFC 9260 §10 rule ICMP8).
func TestRawIPDialFails(t *testing.T) {
	t.Parallel()
	k, n, other := newKernel(t), newNode(t), newNode(t)
	k.speak(t, rawIP)
	ctx := within(t, 20*time.Second)
	s := stackOn(t, n.layer(t, rawIP, n.addr()))
	_, err := s.Dial(ctx, &sctp.Addr{IPs: parse([]string{k.addr()}), Port: 4444}, nil)
	var abort *sctp.AbortError
	require.ErrorAs(t, err, &abort)
	require.False(t, abort.Local)

	start := time.Now()
	_, err = s.Dial(ctx, &sctp.Addr{IPs: parse([]string{other.addr()}), Port: 4444}, nil)
	require.ErrorIs(t, err, sctp.ErrRefused)
	require.Less(t, time.Since(start), 2*time.Second)
}
