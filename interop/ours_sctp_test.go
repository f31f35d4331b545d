//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// messages is how many messages go each way in the checked transfers of our stack.
const messages = 100_000

const (
	oursSeed = 1
	peerSeed = 2
	streams  = 8
)

// stack opens a stack of ours at a host's address, on the encapsulation port.
func (h host) stack(t testing.TB, addr string) *sctp.Stack {
	t.Helper()
	s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr(addr)}, UDPPort: encapPort})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// oursTransfer is one transfer of count messages each way between us and a C program.
func oursTransfer(bind, to []string, port, dport int) transfer {
	return transfer{bind: bind, to: to, port: port, dport: dport, streams: streams, send: messages, recv: messages,
		seed: peerSeed, peer: oursSeed, unordered: true, rcvbuf: 1 << 20, limit: 4 * time.Minute}
}

// dialAndExchange is our end as the client: transfer, then a graceful shutdown.
func dialAndExchange(t *testing.T, h host, local, peer string, port int) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	ip := netip.MustParseAddr(peer)
	a, err := h.stack(t, local).Dial(ctx, &sctp.Addr{IPs: []netip.Addr{ip}, Port: uint16(port)}, nil)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, <-sized(messages).begin(ctx, a).done)
	require.NoError(t, a.Shutdown(ctx))
	t.Logf("%+v", a.Stats())
}

// acceptAndExchange is our end as the server: the peer shuts down gracefully.
func acceptAndExchange(t *testing.T, l *sctp.Listener, done chan<- error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	a, err := l.AcceptSCTP(ctx)
	if err != nil {
		done <- err
		return
	}
	defer a.Close()
	if err := <-sized(messages).begin(ctx, a).done; err != nil {
		done <- err
		return
	}
	if _, err := a.Receive(ctx, make([]byte, 1)); !errors.Is(err, io.EOF) {
		done <- fmt.Errorf("no graceful shutdown: %w", err)
		return
	}
	t.Logf("%+v", a.Stats())
	done <- nil
}

func TestOursToKernel(t *testing.T) {
	for _, c := range []struct {
		name        string
		local, peer func(host) string
	}{
		{"IPv4", host.addr, func(host) string { return k1.addr() }},
		{"IPv6", host.addr6, func(host) string { return k1.addr6() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			x := oursTransfer([]string{c.peer(h)}, nil, 5201, 0)
			server := x.start(t, k1, "xfer", "listen")
			dialAndExchange(t, h, c.local(h), c.peer(h), 5201)
			x.finished(t, server.wait(t, 20*time.Second))
		})
	}
}

func TestKernelToOurs(t *testing.T) {
	for _, c := range []struct {
		name        string
		local, peer func(host) string
	}{
		{"IPv4", host.addr, func(host) string { return k1.addr() }},
		{"IPv6", host.addr6, func(host) string { return k1.addr6() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			l, err := h.stack(t, c.local(h)).Listen(&sctp.Addr{Port: 5202}, nil)
			require.NoError(t, err)
			done := make(chan error, 1)
			go acceptAndExchange(t, l, done)
			x := oursTransfer([]string{c.peer(h)}, []string{c.local(h)}, 0, 5202)
			client := x.start(t, k1, "xfer", "connect")
			require.NoError(t, <-done)
			x.finished(t, client.wait(t, 20*time.Second))
		})
	}
}

func TestOursToUsrsctp(t *testing.T) {
	h := newHost(t)
	x := oursTransfer([]string{"10.99.1.41"}, nil, 5203, 0)
	server := x.startUsrsctp(t, "n1", "listen")
	dialAndExchange(t, h, h.addr(), "10.99.1.41", 5203)
	x.finished(t, server.wait(t, 20*time.Second))
}

func TestUsrsctpToOurs(t *testing.T) {
	h := newHost(t)
	l, err := h.stack(t, h.addr()).Listen(&sctp.Addr{Port: 5204}, nil)
	require.NoError(t, err)
	done := make(chan error, 1)
	go acceptAndExchange(t, l, done)
	x := oursTransfer([]string{"10.99.1.42"}, []string{h.addr()}, 0, 5204)
	client := x.startUsrsctp(t, "n2", "connect")
	require.NoError(t, <-done)
	x.finished(t, client.wait(t, 20*time.Second))
}

func TestOursToKernelUnderLoss(t *testing.T) {
	h := newHost(t)
	k1.netem(t, "eth0", "loss", "2%", "reorder", "5%", "delay", "2ms")
	x := transfer{bind: []string{k1.addr()}, port: 5205, streams: streams, send: 5000, recv: 5000,
		seed: peerSeed, peer: oursSeed, unordered: true, limit: 2 * time.Minute}
	server := x.start(t, k1, "xfer", "listen")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	a, err := h.stack(t, h.addr()).Dial(ctx, &sctp.Addr{IPs: []netip.Addr{netip.MustParseAddr(k1.addr())}, Port: 5205}, nil)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, <-sized(5000).begin(ctx, a).done)
	require.NoError(t, a.Shutdown(ctx))
	x.finished(t, server.wait(t, 30*time.Second))
	t.Logf("%+v", a.Stats())
}

func TestKernelAbortIsReported(t *testing.T) {
	h := newHost(t)
	p := k1.start(t, "srv", bin("peer.py"), "--bind", k1.addr(), "--port", "5206", "listen", "recv", "1", "abort")
	p.await(t, "listening", 10*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	a, err := h.stack(t, h.addr()).Dial(ctx, &sctp.Addr{IPs: []netip.Addr{netip.MustParseAddr(k1.addr())}, Port: 5206}, nil)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, a.Send(ctx, &sctp.Message{Data: []byte("abort me")}))
	_, err = a.Receive(ctx, make([]byte, 10))
	var e *sctp.AbortError
	require.ErrorAs(t, err, &e)
}
