//go:build interop

package interop

import (
	"context"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// A peer that connects loses its state in mid-transfer and connects again from the
// same address and port: we take it for a restart (RFC 9260 §5.2.4 A). The old
// association ends with ErrRestarted, and Accept has the new one.
func TestPeerRestarts(t *testing.T) {
	t.Parallel()
	t.Run("kernel", func(t *testing.T) {
		t.Parallel()
		k := newKernel(t)
		peerRestarts(t, k, func(program) { k.reboot(t) })
	})
	t.Run("usrsctp", func(t *testing.T) {
		t.Parallel()
		peerRestarts(t, newUsrsctp(t), func(p program) {
			// Still first: a SACK to its closed UDP port would be answered by ICMP.
			p.(*process).signal(syscall.SIGSTOP)
			time.Sleep(time.Second)
			p.(*process).kill(t)
		})
	})
}

func peerRestarts(t *testing.T, them opponent, restart func(program)) {
	n, port := newNode(t), newPort()
	ctx := within(t, 2*time.Minute)
	// We send nothing but SACKs: data or a HEARTBEAT of ours would meet the next life
	// too soon and be answered by an ABORT.
	l, err := n.stack(t, n.addr()).Listen(&sctp.Addr{Port: uint16(port)}, &sctp.Config{HeartbeatInterval: -1})
	require.NoError(t, err)
	endless := sized(1_000_000)
	endless.recv = 0
	endless.bind, endless.port, endless.to, endless.dport = []string{them.addr()}, newPort(), []string{n.addr()}, port
	first := them.play(t, endless, "connect")
	a, err := l.AcceptSCTP(ctx)
	require.NoError(t, err)
	defer a.Close()
	e := endless.begin(ctx, a)
	e.reaches(t, 1000, 20*time.Second)
	restart(first)

	again := sized(2000)
	again.bind, again.port, again.to, again.dport = endless.bind, endless.port, endless.to, endless.dport
	second := them.play(t, again, "connect")
	b, err := l.AcceptSCTP(ctx)
	require.NoError(t, err)
	defer b.Close()
	err = <-e.done
	require.ErrorIs(t, err, sctp.ErrRestarted)
	require.ErrorIs(t, err, sctp.ErrReset)
	again.begin(ctx, b).wait(t)
	again.finish(ctx, t, server, b, second)
}

// Who asks for notifications keeps the association, and is told.
func TestPeerRestartsAndTheAssociationGoesOn(t *testing.T) {
	t.Parallel()
	n, u, port := newNode(t), newUsrsctp(t), newPort()
	ctx := within(t, time.Minute)
	l, err := n.stack(t, n.addr()).Listen(&sctp.Addr{Port: uint16(port)}, &sctp.Config{Events: sctp.EventAssoc})
	require.NoError(t, err)
	x := sized(2000)
	x.bind, x.port, x.to, x.dport = []string{u.addr()}, newPort(), []string{n.addr()}, port
	silent := x
	silent.send = 0 // so that nothing of this life waits to be read in the next
	first := u.play(t, silent, "connect")
	a, err := l.AcceptSCTP(ctx)
	require.NoError(t, err)
	defer a.Close()
	first.await(t, "connected", 10*time.Second)
	first.(*process).kill(t)

	second := u.play(t, x, "connect")
	for {
		ev, err := a.NextEvent(ctx)
		require.NoError(t, err)
		if c, ok := ev.(sctp.AssocChange); ok && c.State == sctp.AssocRestarted {
			break
		}
	}
	x.begin(ctx, a).wait(t)
	x.finish(ctx, t, server, a, second)
	require.EqualValues(t, 1, a.Stats().Restarts)
}

// A kernel that connected to, or was connected to by, a server of ours meets the
// next life of that host.
func TestWeRestart(t *testing.T) {
	t.Parallel()
	t.Run("we are the client", func(t *testing.T) {
		t.Parallel()
		k, n, port := newKernel(t), newNode(t), newPort()
		ctx := within(t, time.Minute)
		p := k.start(t, "srv", bin("peer.py"), "--events", "--bind", k.addr(), "--port", strconv.Itoa(port), "listen", "echo")
		p.await(t, "listening", 10*time.Second)
		var life1 power
		to := &sctp.Addr{IPs: parse([]string{k.addr()}), Port: uint16(port)}
		s1 := stackOn(t, life1.on(n.sockets(t, n.addr())))
		a, err := s1.Dial(ctx, to, &sctp.Config{LocalPort: uint16(port)})
		require.NoError(t, err)
		echoes(ctx, t, a, "first life")
		life1.off.Store(true)
		require.NoError(t, a.Abort("unheard"))
		require.NoError(t, s1.Close())

		b, err := n.stack(t, n.addr()).Dial(ctx, to, &sctp.Config{LocalPort: uint16(port)})
		require.NoError(t, err)
		defer b.Close()
		p.await(t, "event association restarted", 10*time.Second)
		echoes(ctx, t, b, "second life")
		require.NoError(t, b.Shutdown(ctx))
		p.await(t, "end of stream", 10*time.Second)
	})
	t.Run("we are the server", func(t *testing.T) {
		t.Parallel()
		k, n, port := newKernel(t), newNode(t), newPort()
		ctx := within(t, time.Minute)
		var life1 power
		s1 := stackOn(t, life1.on(n.sockets(t, n.addr())))
		l, err := s1.Listen(&sctp.Addr{Port: uint16(port)}, nil)
		require.NoError(t, err)
		x := sized(1_000_000)
		x.bind, x.to, x.dport = []string{k.addr()}, []string{n.addr()}, port
		p := x.start(t, k, "xfer", "connect")
		a, err := l.AcceptSCTP(ctx)
		require.NoError(t, err)
		e := x.begin(ctx, a)
		e.reaches(t, 1000, 20*time.Second)
		life1.off.Store(true)
		require.NoError(t, a.Abort("unheard"))
		require.NoError(t, s1.Close())
		require.Error(t, <-e.done)

		// The new life does not know the association: the kernel learns it from the
		// ABORT that answers its next packet (RFC 9260 §8.4).
		_, err = n.stack(t, n.addr()).Listen(&sctp.Addr{Port: uint16(port)}, nil)
		require.NoError(t, err)
		p.await(t, "FAILED ", 20*time.Second)
	})
}

// A kernel that we connected to loses its state in mid-transfer: the association
// ends with the ABORT of its next life.
func TestPeerThatWeConnectedToRestarts(t *testing.T) {
	t.Parallel()
	k, n := newKernel(t), newNode(t)
	ctx := within(t, 2*time.Minute)
	x := sized(1_000_000)
	a, _ := x.meet(ctx, t, client, n.stack(t, n.addr()), nil, k, []string{n.addr()}, []string{k.addr()})
	e := x.begin(ctx, a)
	e.reaches(t, 1000, 20*time.Second)
	k.reboot(t)
	err := <-e.done
	var abort *sctp.AbortError
	require.ErrorAs(t, err, &abort)
	require.False(t, abort.Local)
	require.ErrorIs(t, err, sctp.ErrReset)
}

// echoes sends a message and requires it back.
func echoes(ctx context.Context, t testing.TB, a *sctp.Association, what string) {
	t.Helper()
	require.NoError(t, a.Send(ctx, &sctp.Message{Data: []byte(what)}))
	m, err := a.ReceiveMessage(ctx, nil, 1000)
	require.NoError(t, err)
	require.Equal(t, what, string(m.Data))
}
