package sctp

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serial is a client and a server that opens, serves and ends one association after the
// other, in one goroutine.
func serial(t *testing.T) (client, server *Stack, target *Addr) {
	t.Helper()
	client, server = loopbackStack(t), loopbackStack(t)
	l, err := server.Listen(&Addr{}, nil)
	require.NoError(t, err)
	go serveInline(l)
	return client, server, l.Addr().(*Addr)
}

func serveInline(l *Listener) {
	buf := make([]byte, 256)
	for {
		x, err := l.AcceptSCTP(context.Background())
		if err != nil {
			return
		}
		for err == nil {
			var m Message
			if m, err = x.Receive(context.Background(), buf); err == nil {
				err = x.Send(context.Background(), &Message{Data: m.Data})
			}
		}
		_ = x.Close()
	}
}

// loopbackStack is a stack on loopback that lives as long as the test.
func loopbackStack(t *testing.T) *Stack {
	t.Helper()
	s, err := NewStack(&StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// open opens n associations and shuts each down before the next.
func open(t *testing.T, s *Stack, to *Addr, n int) {
	t.Helper()
	for range n {
		a, err := s.Dial(t.Context(), to, nil)
		require.NoError(t, err)
		require.NoError(t, a.Shutdown(t.Context()))
		require.NoError(t, a.Close())
	}
}

// Associations that follow each other are read by who opens them, and by who accepts
// and serves them one by one.
func TestSerialAssociationsReadTheCarrier(t *testing.T) {
	client, server, to := serial(t)
	eager(client)
	eager(server)
	read := func(s *Stack) uint64 { return s.wires().links[0].pump.batches.Load() }
	for tries := 0; read(client) < 100 || read(server) < 100; tries++ {
		require.Less(t, tries, 1000, "the role of reading is never lent")
		open(t, client, to, 20)
	}
	for _, s := range []*Stack{client, server} {
		p := &s.wires().links[0].pump
		require.Eventually(t, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return !p.away
		}, 10*time.Second, standbyFor, "an idle line goes back to its owner")
	}
	open(t, client, to, 3)
}

// While one reads, another call of the same stack gets its packets, too.
func TestSerialAssociationsBesideOthers(t *testing.T) {
	client, _, to := serial(t)
	echo, err := loopbackStack(t).Listen(&Addr{}, nil)
	require.NoError(t, err)
	go serveInline(echo)
	other, err := client.Dial(t.Context(), echo.Addr().(*Addr), nil)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 20 {
			ask(t, other, 20)
			time.Sleep(time.Millisecond)
		}
	})
	open(t, client, to, 500)
	wg.Wait()
	require.NoError(t, other.Close())
}

// Accept that reads obeys its context, and the end of its listener.
func TestAcceptThatReadsIsFreed(t *testing.T) {
	for range 3 {
		client, server, to := loopbackStack(t), loopbackStack(t), (*Addr)(nil)
		l, err := server.Listen(&Addr{}, nil)
		require.NoError(t, err)
		to = l.Addr().(*Addr)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			for {
				x, err := l.AcceptSCTP(ctx)
				if err != nil {
					ended <- err
					return
				}
				_, err = x.Receive(ctx, make([]byte, 10))
				if !errors.Is(err, io.EOF) {
					ended <- err
					return
				}
				_ = x.Close()
			}
		}()
		open(t, client, to, 100)
		cancel()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, context.Canceled)
		case <-time.After(10 * time.Second):
			require.Fail(t, "Accept does not return")
		}
	}
}

// RFC 9260 §9.2: who was shut down by the peer need not wait for SHUTDOWN COMPLETE in
// Close; the stack ends the association, and is waited for.
func TestCloseAfterThePeersShutdown(t *testing.T) {
	client, server := loopbackStack(t), loopbackStack(t)
	l, err := server.Listen(&Addr{}, nil)
	require.NoError(t, err)
	for range 50 {
		a, err := client.Dial(t.Context(), l.Addr().(*Addr), nil)
		require.NoError(t, err)
		x, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- a.Shutdown(context.Background()) }()
		_, err = x.Receive(t.Context(), make([]byte, 10))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, x.Close())
		require.NoError(t, <-done)
		require.NoError(t, a.Close())
	}
	require.Eventually(t, func() bool { return server.Stats().Associations == 0 }, 10*time.Second, time.Millisecond)
}
