package sctp_test

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// requireNoAllocations exchanges messages with an end that echoes them.
func requireNoAllocations(t *testing.T, client *sctp.Association) {
	t.Helper()
	m := &sctp.Message{Data: make([]byte, 1000)}
	buf := make([]byte, 1000)
	turn := func() {
		if err := client.Send(context.Background(), m); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Receive(context.Background(), buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 2000 {
		turn()
	}
	require.Zero(t, testing.AllocsPerRun(2000, turn))
}

// A message out and one back over real UDP allocate nothing once everything is
// warm, at neither end.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	client, server := loopback(t, nil)
	go echo(server)
	requireNoAllocations(t, client)
}

// M7: what an idle association costs.
func TestM7IdleAssociationIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n = 2000
	open := func() *sctp.Stack {
		s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	one, two := open(), open()
	l, err := two.Listen(nil, nil)
	require.NoError(t, err)
	at := l.Addr().(*sctp.Addr)
	goroutines, before := runtime.NumGoroutine(), heap()
	as := make([]*sctp.Association, 0, 2*n)
	for range n {
		c, err := one.Dial(t.Context(), at, nil)
		require.NoError(t, err)
		s, err := l.AcceptSCTP(t.Context())
		require.NoError(t, err)
		as = append(as, c, s)
	}
	time.Sleep(50 * time.Millisecond)
	each := (heap() - before) / len(as)
	t.Logf("%d bytes of heap for each of %d idle associations", each, len(as))
	require.Less(t, each, 6<<10)
	// A timer that fires runs in a goroutine, which does not last.
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines+5 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
	runtime.KeepAlive(as)
}
