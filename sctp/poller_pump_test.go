package sctp

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// polledEcho is a stack that echoes by two goroutines with a Poller.
func polledEcho(t *testing.T) (server *Stack, at *Addr) {
	t.Helper()
	server, err := NewStack(&StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	l, err := server.Listen(&Addr{}, nil)
	require.NoError(t, err)
	var p Poller
	go func() {
		for {
			x, err := l.AcceptSCTP(context.Background())
			if err != nil {
				return
			}
			_ = p.Add(x, nil)
		}
	}()
	for range 2 {
		go echoPolled(t, &p)
	}
	return server, l.Addr().(*Addr)
}

// echoPolled sends back what comes, until the test ends.
func echoPolled(t *testing.T, p *Poller) {
	buf := make([]byte, 256)
	for {
		r, err := p.Next(t.Context())
		if err != nil {
			return
		}
		for {
			m, err := r.ReceiveMessage(buf, 256)
			if err != nil || r.Association().TrySend(&m) != nil {
				break
			}
		}
		r.Done()
	}
}

// A Poller's calls read the carrier themselves, as those of the association that is alone
// there would; when others come, or nobody, the role goes back, and nobody is held up.
func TestPollerReadsTheCarrier(t *testing.T) {
	s, at := polledEcho(t)
	eager(s)
	client, err := NewStack(&StackConfig{ListenAddrs: at.IPs})
	require.NoError(t, err)
	defer client.Close()
	var as [2]*Association
	for i := range as {
		as[i], err = client.Dial(t.Context(), at, nil)
		require.NoError(t, err)
	}
	p := &s.wires().links[0].pump
	for _, a := range []*Association{as[0], as[1], as[0]} {
		before := p.batches.Load()
		for n := 0; p.batches.Load() < before+100; n++ {
			require.Less(t, n, 1000, "the role of reading is never lent")
			ask(t, a, 100)
		}
	}
	for range 100 {
		ask(t, as[0], 1)
		ask(t, as[1], 1)
	}
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.lent == nil && p.poller == nil
	}, 10*time.Second, standbyFor, "an idle line goes back to its owner")
	ask(t, as[1], 100)
	// An association of the same stack that is read otherwise.
	l, err := client.Listen(&Addr{}, nil)
	require.NoError(t, err)
	var other Poller
	own, err := s.Dial(t.Context(), l.Addr().(*Addr), nil)
	require.NoError(t, err)
	x, err := l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	require.NoError(t, other.Add(x, nil))
	go echoPolled(t, &other)
	for range 20 {
		ask(t, as[0], 50)
		ask(t, own, 50)
	}
	require.NoError(t, as[0].Close()) // in the middle of a loan
	ask(t, as[1], 100)
}
