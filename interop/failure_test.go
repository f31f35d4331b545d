//go:build interop

package interop

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// quitTimers give a peer up that has not answered five times in a row.
var quitTimers = sctp.Config{RTOInitial: 300 * time.Millisecond, RTOMin: 200 * time.Millisecond, RTOMax: time.Second,
	AssociationMaxRetrans: 4, PathMaxRetrans: 2, HeartbeatInterval: 500 * time.Millisecond}

// The peer's process dies with data of ours unread: its kernel sends an ABORT.
func TestPeerProcessIsKilled(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		a, p := meetScript(ctx, t, role, n, k, nil, nil, "sleep", "60")
		for range 20 {
			require.NoError(t, a.Send(ctx, &sctp.Message{Data: make([]byte, 1000)}))
		}
		require.Eventually(t, func() bool { return a.Buffered() == 0 }, 10*time.Second, 10*time.Millisecond)
		p.stop(t, "KILL")
		_, err := a.Receive(ctx, make([]byte, 1))
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
		require.False(t, abort.Local)
		require.ErrorIs(t, err, sctp.ErrReset)
		require.ErrorIs(t, a.Send(ctx, &sctp.Message{Data: []byte("x")}), sctp.ErrReset)
	})
}

// The peer's process dies with nothing unread: its kernel shuts down gracefully.
func TestIdlePeerProcessIsKilled(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		a, p := meetScript(ctx, t, role, n, k, nil, nil, "sleep", "60")
		p.stop(t, "KILL")
		requireEOF(ctx, t, a)
		require.ErrorIs(t, a.Send(ctx, &sctp.Message{Data: []byte("x")}), sctp.ErrShutdown)
	})
}

// The guest's processor stops in mid-transfer: the failure is reported after
// Association.Max.Retrans timeouts (RFC 9260 §8.1). When the guest goes on, it
// learns that the association is gone.
func TestPeerFreezes(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		x := sized(1_000_000)
		a, p := x.meet(ctx, t, role, n.stack(t, n.both()...), &quitTimers, k, n.both(), k.both())
		e := x.begin(ctx, a)
		e.reaches(t, 1000, 20*time.Second)
		frozen := time.Now()
		rig(t, "freeze", k.name)
		t.Cleanup(func() { _, _ = tryRig(time.Second, "thaw", k.name) })
		require.ErrorIs(t, <-e.done, sctp.ErrUnreachable)
		took := time.Since(frozen)
		t.Logf("unreachable after %.2f s: %+v", took.Seconds(), a.Stats())
		// Five timeouts between 200 ms and 1 s; two paths may halve their steps.
		require.Less(t, took, 8*time.Second)
		require.Greater(t, took, 800*time.Millisecond)
		rig(t, "thaw", k.name)
		p.await(t, "FAILED ", 20*time.Second)
	})
}

// usrsctp's process dies in mid-transfer and takes the stack along: its host answers
// with ICMP port unreachable, and we need not wait for timers (RFC 6951 §5.5).
func TestUserlandPeerIsKilled(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		u, n := newUsrsctp(t), newNode(t)
		ctx := within(t, time.Minute)
		x := sized(1_000_000)
		a, p := x.meet(ctx, t, role, n.stack(t, n.addr()), nil, u, []string{n.addr()}, []string{u.addr()})
		e := x.begin(ctx, a)
		e.reaches(t, 1000, 20*time.Second)
		killed := time.Now()
		p.(*process).kill(t)
		err := <-e.done
		t.Logf("after %.2f s: %v; %+v", time.Since(killed).Seconds(), err, a.Stats())
		require.ErrorIs(t, err, sctp.ErrRefused)
		require.Positive(t, a.Stats().ICMPIn)
		require.Less(t, time.Since(killed), 10*time.Second) // with RTO.Min of 1 s
	})
}

// All cables are pulled. With data under way and without it both ends notice, we
// by heartbeats in the latter case (RFC 9260 §8.3).
func TestAllLinksPulled(t *testing.T) {
	for _, idle := range []bool{false, true} {
		t.Run(map[bool]string{false: "in mid-transfer", true: "while idle"}[idle], func(t *testing.T) {
			eachRole(t, func(t *testing.T, role string) {
				k, n := newKernel(t), newNode(t)
				ctx := within(t, time.Minute)
				k.sysctl(t, "net.sctp.association_max_retrans=4")
				x := sized(1_000_000)
				if idle {
					x.send, x.recv = 10, 11 // and one that never comes
				}
				a, p := x.meet(ctx, t, role, n.stack(t, n.both()...), &quitTimers, k, n.both(), k.both())
				if idle {
					x.recv = 10
				}
				e := x.begin(ctx, a)
				if idle {
					e.wait(t)
					require.Eventually(t, func() bool { return a.Buffered() == 0 }, 5*time.Second, 10*time.Millisecond)
				} else {
					e.reaches(t, 1000, 20*time.Second)
				}
				pulled := time.Now()
				n.link(t, "a", false)
				n.link(t, "b", false)
				_, err := a.Receive(ctx, make([]byte, 1<<16))
				for err == nil {
					_, err = a.Receive(ctx, make([]byte, 1<<16))
				}
				require.ErrorIs(t, err, sctp.ErrUnreachable)
				t.Logf("unreachable after %.2f s: %+v", time.Since(pulled).Seconds(), a.Stats())
				p.await(t, "FAILED ", 30*time.Second)
				t.Logf("the peer noticed after %.2f s at most", time.Since(pulled).Seconds())
			})
		})
	}
}

// Nobody listens, and nobody is there.
func TestDialFails(t *testing.T) {
	t.Parallel()
	k, n := newKernel(t), newNode(t)
	ctx := within(t, time.Minute)
	s := n.stack(t, n.addr())
	_, err := s.Dial(ctx, &sctp.Addr{IPs: parse([]string{k.addr()}), Port: 4444}, nil)
	var abort *sctp.AbortError
	require.ErrorAs(t, err, &abort)
	require.False(t, abort.Local)

	k.link(t, "a", false)
	cfg := quitTimers
	cfg.MaxInitRetransmits = 3
	start := time.Now()
	_, err = s.Dial(ctx, &sctp.Addr{IPs: parse([]string{k.addr()}), Port: uint16(newPort())}, &cfg)
	require.ErrorIs(t, err, sctp.ErrUnreachable)
	// 300 ms, 600 ms, 1 s, 1 s.
	require.InDelta(t, 2.9, time.Since(start).Seconds(), 0.5)
	require.False(t, errors.Is(err, sctp.ErrReset))
}
