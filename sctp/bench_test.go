package sctp_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// loopback opens an association over real UDP on 127.0.0.1.
func loopback(t testing.TB, cfg *sctp.Config) (client, server *sctp.Association) {
	t.Helper()
	l, err := sctp.Listen("127.0.0.1:0@0", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	client, err = sctp.Dial(context.Background(), l.Addr().String(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.AcceptSCTP(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// BenchmarkLoopbackBulk sends messages one way over real UDP.
func BenchmarkLoopbackBulk(b *testing.B) {
	for _, size := range []int{64, 1024, 16 << 10, 256 << 10} {
		for _, more := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/more=%v", size, more), func(b *testing.B) {
				client, server := loopback(b, &sctp.Config{MaxBurst: -1})
				sink(b, client, server, size, more)
			})
		}
	}
}

func sink(b *testing.B, client, server *sctp.Association, size int, more bool) {
	got := make(chan int)
	go func() {
		buf := make([]byte, size)
		n := 0
		for {
			m, err := server.Receive(context.Background(), buf)
			if err != nil {
				return
			}
			if !m.Partial {
				n++
			}
			if m.PPID == 1 {
				got <- n
				n = 0
			}
		}
	}()
	m := &sctp.Message{More: more, Data: make([]byte, size)}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	cpu(b)
	for b.Loop() {
		if err := client.Send(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
	last := &sctp.Message{PPID: 1, Data: []byte{0}}
	require.NoError(b, client.Send(context.Background(), last))
	<-got
}

// BenchmarkLoopbackPingPong measures a message out and one back.
func BenchmarkLoopbackPingPong(b *testing.B) {
	client, server := loopback(b, nil)
	go echo(server)
	m := &sctp.Message{Data: make([]byte, 64)}
	buf := make([]byte, 64)
	b.ReportAllocs()
	cpu(b)
	for b.Loop() {
		if err := client.Send(context.Background(), m); err != nil {
			b.Fatal(err)
		}
		if _, err := client.Receive(context.Background(), buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopbackAssoc measures set-up and graceful shutdown.
func BenchmarkLoopbackAssoc(b *testing.B) {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	require.NoError(b, err)
	defer l.Close()
	go func() {
		for {
			a, err := l.AcceptSCTP(context.Background())
			if err != nil {
				return
			}
			go echo(a)
		}
	}()
	s, err := sctp.NewStack(&sctp.StackConfig{})
	require.NoError(b, err)
	defer s.Close()
	addr, err := sctp.ParseAddr(l.Addr().String())
	require.NoError(b, err)
	b.ReportAllocs()
	cpu(b)
	for b.Loop() {
		a, err := s.Dial(context.Background(), addr, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
