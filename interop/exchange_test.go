//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/interop/pattern"
	"github.com/rserpool/rserpool/sctp"
)

// A program is one that runs beside the test, in a guest or on the host.
type program interface {
	await(t testing.TB, re string, limit time.Duration)
	wait(t testing.TB, limit time.Duration) string
	log() string
}

// An opponent plays the C end of a transfer: kernel SCTP in a guest, or usrsctp in
// a node.
type opponent interface {
	addr() string
	both() []string
	play(t testing.TB, x transfer, role string) program
}

func (m machine) play(t testing.TB, x transfer, role string) program {
	t.Helper()
	return x.start(t, m, "xfer", role)
}

// usrsctp is a node where usrsctp plays.
type usrsctp struct{ node }

func (u usrsctp) play(t testing.TB, x transfer, role string) program {
	t.Helper()
	return x.startUsrsctp(t, u.name, role)
}

// Our roles in an association.
const (
	client = "client"
	server = "server"
)

var roles = []string{client, server}

var lastPort atomic.Int32

// newPort is an SCTP port that no test has used: associations that have ended may
// linger at the peer.
func newPort() int { return 6000 + int(lastPort.Add(1)) }

// sized is a transfer of count messages each way with seeds of its own.
func sized(count int) transfer {
	return transfer{streams: streams, send: count, recv: count, seed: peerSeed, peer: oursSeed,
		unordered: true, limit: 4 * time.Minute}
}

// meet sets up the association of a transfer between a stack of ours, in the role
// given, and the opponent, over these addresses of either end; the stack must be
// bound to ours.
func (x *transfer) meet(ctx context.Context, t testing.TB, role string, s *sctp.Stack, cfg *sctp.Config,
	them opponent, mine, theirs []string) (*sctp.Association, program) {
	t.Helper()
	x.bind, x.to = theirs, mine
	return x.through(ctx, t, role, s, cfg, them, theirs)
}

// through is meet where the end that connects knows the other one by other addresses
// than its own: we dial those given, the opponent connects to x.to.
func (x *transfer) through(ctx context.Context, t testing.TB, role string, s *sctp.Stack, cfg *sctp.Config,
	them opponent, theirs []string) (*sctp.Association, program) {
	t.Helper()
	if role == client {
		x.port = newPort()
		p := them.play(t, *x, "listen")
		a, err := s.Dial(ctx, &sctp.Addr{IPs: parse(theirs), Port: uint16(x.port)}, cfg)
		require.NoError(t, err)
		t.Cleanup(func() { _ = a.Close() })
		return a, p
	}
	x.dport = newPort()
	l, err := s.Listen(&sctp.Addr{Port: uint16(x.dport)}, cfg)
	require.NoError(t, err)
	p := them.play(t, *x, "connect")
	a, err := l.AcceptSCTP(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a, p
}

func parse(addrs []string) []netip.Addr {
	var ips []netip.Addr
	for _, a := range addrs {
		ips = append(ips, netip.MustParseAddr(a))
	}
	return ips
}

// An exchange is our end of a transfer at work.
type exchange struct {
	received atomic.Int64 // messages
	gap      time.Duration
	done     chan error
}

// begin sends and checks all messages of the transfer in the background.
func (x transfer) begin(ctx context.Context, a *sctp.Association) *exchange {
	e := &exchange{done: make(chan error, 1)}
	go func() {
		sent := make(chan error, 1)
		go func() { sent <- x.sendAll(ctx, a) }()
		err := e.receiveAll(ctx, a, x)
		if err != nil {
			_ = a.Abort("the transfer failed")
		}
		e.done <- errors.Join(err, <-sent)
	}()
	return e
}

// wait waits for the end of the exchange.
func (e *exchange) wait(t testing.TB) {
	t.Helper()
	require.NoError(t, <-e.done)
}

// reaches waits until so many messages have come.
func (e *exchange) reaches(t testing.TB, count int, limit time.Duration) {
	t.Helper()
	late := time.After(limit)
	for e.received.Load() < int64(count) {
		select {
		case err := <-e.done:
			require.NoError(t, err, "before message %d", count)
			e.done <- nil // complete, for wait
			return
		case <-late:
			require.FailNow(t, "the transfer stands still", "%d of %d messages after %v", e.received.Load(), count, limit)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (x transfer) sendAll(ctx context.Context, a *sctp.Association) error {
	check := pattern.NewChecker(x.peer, x.streams, x.recv, x.unordered)
	buf := make([]byte, 0, max(x.size, pattern.MaxSize))
	start := time.Now()
	for n := range x.recv {
		if x.rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / time.Duration(x.rate))))
		}
		m := pattern.At(x.peer, x.streams, n)
		m.Fixed = x.size
		msg := sctp.Message{Stream: sctp.StreamID(m.Stream), PPID: sctp.PPID(m.PPID()),
			Unordered: check.Unordered(m.Stream), Data: m.AppendTo(buf)}
		if err := x.sendOne(ctx, a, msg); err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
	}
	return nil
}

// sendOne sends a message, in pieces if the transfer is to be sent so.
func (x transfer) sendOne(ctx context.Context, a *sctp.Association, m sctp.Message) error {
	rest := m.Data
	for m.Partial = true; x.piece > 0 && len(rest) > x.piece; rest = rest[x.piece:] {
		m.Data = rest[:x.piece]
		if err := a.Send(ctx, &m); err != nil {
			return err
		}
	}
	m.Data, m.Partial = rest, false
	return a.Send(ctx, &m)
}

func (e *exchange) receiveAll(ctx context.Context, a *sctp.Association, x transfer) error {
	check := pattern.NewChecker(x.seed, x.streams, x.send, x.unordered)
	check.Fixed(x.size)
	limit := max(x.size, pattern.MaxSize)
	buf := make([]byte, limit)
	time.Sleep(x.oursPause)
	var last time.Time
	for !check.Done() {
		m, err := a.ReceiveMessage(ctx, buf, limit)
		if err != nil {
			return fmt.Errorf("after %d messages: %w", check.Received(), err)
		}
		now := time.Now()
		if !last.IsZero() {
			e.gap = max(e.gap, now.Sub(last))
		}
		last = now
		if err := check.Check(uint16(m.Stream), uint32(m.PPID), m.Unordered, m.Data); err != nil {
			return err
		}
		e.received.Add(1)
	}
	return nil
}

// finish ends a transfer whose exchange is complete as it should end: whoever
// connected shuts down gracefully, and both ends have sent and received all.
func (x transfer) finish(ctx context.Context, t testing.TB, role string, a *sctp.Association, p program) string {
	t.Helper()
	if role == client {
		require.NoError(t, a.Shutdown(ctx))
	} else {
		_, err := a.Receive(ctx, make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	out := p.wait(t, 30*time.Second)
	x.finished(t, out)
	return out
}

// play is a whole transfer in one association: set-up, exchange, graceful end.
func (x transfer) play(ctx context.Context, t testing.TB, role string, s *sctp.Stack, cfg *sctp.Config,
	them opponent, mine, theirs []string) *sctp.Association {
	t.Helper()
	a, p := x.meet(ctx, t, role, s, cfg, them, mine, theirs)
	e := x.begin(ctx, a)
	e.wait(t)
	x.finish(ctx, t, role, a, p)
	return a
}

// within is a context for a test.
func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// eachRole runs a parallel test with us as the client and with us as the server.
func eachRole(t *testing.T, f func(t *testing.T, role string)) {
	t.Helper()
	t.Parallel()
	for _, role := range roles {
		t.Run("we are the "+role, func(t *testing.T) {
			t.Parallel()
			f(t, role)
		})
	}
}
