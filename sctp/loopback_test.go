package sctp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/rserpool/rserpool/sctp"
)

// The tests of this file use real UDP on loopback.

func TestLoopbackEcho(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0@0", "[::1]:0@0", "127.0.0.1/127.0.0.2:0@0", "@0"} {
		t.Run(address, func(t *testing.T) {
			if strings.HasPrefix(address, "[::1]") && !nettest.SupportsIPv6() {
				t.Skip("no IPv6")
			}
			l, err := sctp.Listen(address, nil)
			require.NoError(t, err)
			go serveEcho(l)
			target := *l.Addr().(*sctp.Addr)
			if len(target.IPs) == 0 {
				target.IPs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
			}
			a, err := sctp.Dial(t.Context(), target.String(), nil)
			require.NoError(t, err)
			for _, n := range []int{1, 1000, 100_000, 1 << 20} {
				data := bytes.Repeat([]byte{byte(n)}, n)
				require.NoError(t, a.Send(t.Context(), &sctp.Message{Data: data}))
				require.True(t, bytes.Equal(data, receive(t, a).Data))
			}
			require.NoError(t, a.Close())
			require.NoError(t, l.Close())
			require.NoError(t, l.Close(), "idempotent")
		})
	}
}

// A dual-stack socket serves both families (RFC 6951 §5.1).
func TestLoopbackDualStack(t *testing.T) {
	if !nettest.SupportsIPv6() {
		t.Skip("no IPv6")
	}
	l, err := sctp.Listen(":0@0", nil)
	require.NoError(t, err)
	defer l.Close()
	go serveEcho(l)
	s, err := sctp.NewStack(&sctp.StackConfig{})
	require.NoError(t, err)
	defer s.Close()
	at := l.Addr().(*sctp.Addr)
	for _, ip := range []string{"127.0.0.1", "::1"} {
		a, err := s.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{netip.MustParseAddr(ip)}, Port: at.Port, UDPPort: at.UDPPort}, nil)
		require.NoError(t, err, ip)
		require.NoError(t, a.Send(t.Context(), text(ip)))
		require.Equal(t, ip, string(receive(t, a).Data))
		require.Equal(t, ip, a.LocalAddr().(*sctp.Addr).IPs[0].String())
	}
}

func TestDialHostName(t *testing.T) {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	require.NoError(t, err)
	defer l.Close()
	go serveEcho(l)
	at := l.Addr().(*sctp.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := sctp.Dial(ctx, fmt.Sprintf("localhost:%d@%d", at.Port, at.UDPPort), nil)
	require.NoError(t, err)
	require.NoError(t, a.Close())

	_, err = sctp.Dial(ctx, "no-such-host.invalid:1", nil)
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
}

// Stacks that share 127.0.0.1 and their SCTP ports differ by UDP port only, as the
// processes of one machine do, and each talks to all others.
func TestProcessesShareOneAddress(t *testing.T) {
	const stacks = 4
	var all []*sctp.Stack
	var addrs []*sctp.Addr
	for range stacks {
		s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
		require.NoError(t, err)
		defer s.Close()
		l, err := s.Listen(&sctp.Addr{Port: 9901}, nil)
		require.NoError(t, err)
		go serveEcho(l)
		all, addrs = append(all, s), append(addrs, l.Addr().(*sctp.Addr))
	}
	var wg sync.WaitGroup
	for i := range all {
		for j := range all {
			if j <= i {
				continue
			}
			wg.Go(func() {
				a, err := all[i].Dial(context.Background(), addrs[j], &sctp.Config{LocalPort: 9901})
				if err != nil {
					t.Error(err)
					return
				}
				defer a.Close()
				data := []byte(fmt.Sprintf("%d to %d", i, j))
				if err := a.Send(context.Background(), &sctp.Message{Data: data}); err != nil {
					t.Error(err)
				}
				if m, err := a.ReceiveMessage(context.Background(), nil, 100); err != nil || !bytes.Equal(m.Data, data) {
					t.Errorf("%s: %v", m.Data, err)
				}
			})
		}
	}
	wg.Wait()
}

// Closing the listener ends its stack with the last association.
func TestOwnStackEndsWithTheLastAssociation(t *testing.T) {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	require.NoError(t, err)
	at := l.Addr().(*sctp.Addr)
	a, err := sctp.Dial(t.Context(), at.String(), nil)
	require.NoError(t, err)
	b, err := l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, a.Send(t.Context(), text("still")))
	require.Equal(t, "still", string(receive(t, b).Data))
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
	again, err := sctp.Listen(at.String(), nil)
	require.NoError(t, err, "the UDP port is free")
	require.NoError(t, again.Close())
}

// The conformance test of the Go project for net.Conn.
func TestNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		l, err := sctp.Listen("127.0.0.1:0@0", nil)
		if err != nil {
			return nil, nil, nil, err
		}
		a, err := sctp.Dial(context.Background(), l.Addr().String(), nil)
		if err != nil {
			return nil, nil, nil, err
		}
		c2, err = l.Accept()
		if err != nil {
			return nil, nil, nil, err
		}
		c1 = a.Conn()
		return c1, c2, func() {
			// Side by side: each Close waits for the other end's part.
			var wg sync.WaitGroup
			for _, c := range []io.Closer{c1, c2} {
				wg.Go(func() { _ = c.Close() })
			}
			wg.Wait()
			_ = l.Close()
		}, nil
	})
}

// net/http runs over SCTP unchanged.
func TestHTTP(t *testing.T) {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	require.NoError(t, err)
	big := bytes.Repeat([]byte("all work and no play\n"), 50_000)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /big", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(big) })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("GET /peer", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	served := result(func() error { return srv.Serve(l) })

	stack, err := sctp.NewStack(&sctp.StackConfig{})
	require.NoError(t, err)
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		a, err := stack.Dial(ctx, l.Addr().(*sctp.Addr), nil)
		if err != nil {
			return nil, err
		}
		return a.Conn(), nil
	}}
	client := &http.Client{Transport: tr, Timeout: time.Minute}
	body := func(r *http.Response, err error) string {
		require.NoError(t, err)
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.StatusCode)
		return string(b)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			for range 3 {
				r, err := client.Get("http://sctp/big")
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if err != nil || !bytes.Equal(b, big) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, string(big), body(client.Post("http://sctp/echo", "text/plain", bytes.NewReader(big))))
	require.Contains(t, body(client.Get("http://sctp/peer")), "127.0.0.1:")

	tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx))
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	require.NoError(t, stack.Close())
}

// S3: a tiny socket buffer loses packets, but the transfer makes progress.
func TestS3TinySocketBuffer(t *testing.T) {
	open := func() *sctp.Stack {
		s, err := sctp.NewStack(&sctp.StackConfig{
			ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, UDPRecvBuffer: 2048, UDPSendBuffer: 2048,
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	cfg := &sctp.Config{RTOInitial: 50 * time.Millisecond, RTOMin: 50 * time.Millisecond}
	one, two := open(), open()
	if st := one.Stats(); runtime.GOOS == "linux" {
		require.NotZero(t, st.RecvBuffer)
		require.Less(t, st.RecvBuffer, 10_000, "what the system granted")
		require.NotZero(t, st.SendBuffer)
	}
	l, err := two.Listen(nil, cfg)
	require.NoError(t, err)
	c, err := one.Dial(t.Context(), l.Addr().(*sctp.Addr), cfg)
	require.NoError(t, err)
	s, err := l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	data := bytes.Repeat([]byte("tiny"), 100_000)
	sent := result(func() error { return c.Send(context.Background(), &sctp.Message{Data: data}) })
	require.True(t, bytes.Equal(data, receive(t, s).Data))
	require.NoError(t, <-sent)
}
