package pooluser_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// process stands for a process on loopback: a stack with a UDP port of its own that can
// be taken away as SIGKILL does, without a word to anybody.
type process struct {
	stack *sctp.Stack
	kill  func()
}

func newProcess(t *testing.T) *process {
	t.Helper()
	sock, err := udpencap.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	require.NoError(t, err)
	s, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{sock}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return &process{stack: s, kill: func() { require.NoError(t, sock.Close()) }}
}

// The whole system over real sockets: two registrars, three elements, a user. The
// element that serves is killed twice and the user's home registrar once; the session
// resumes each time within the time that the fast profile promises.
func TestLoopbackEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()

	registrars := []*process{newProcess(t), newProcess(t)}
	var asapAddrs, enrpAddrs []string
	for _, p := range registrars {
		asapAddrs = append(asapAddrs, fmt.Sprintf("127.0.0.1:3863@%d", p.stack.UDPPort()))
		enrpAddrs = append(enrpAddrs, fmt.Sprintf("127.0.0.1:9901@%d", p.stack.UDPPort()))
	}
	for i, p := range registrars {
		r, err := registrar.New(&registrar.Config{
			ID: rserpool.RegistrarID(i + 1), Stack: p.stack, Peers: enrpAddrs, Profile: registrarcore.ProfileFast,
		})
		require.NoError(t, err)
		rctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = r.Run(rctx) }() // it may be killed
		t.Cleanup(func() { _ = r.Close(); stop(); <-done })
	}

	processes := map[rserpool.PEID]*process{}
	servers := map[rserpool.PEID]*server{}
	for id := rserpool.PEID(1); id <= 3; id++ {
		p := newProcess(t)
		pe, err := poolelement.Listen(ctx, pool, &poolelement.Config{
			Registrars: asapAddrs, Stack: p.stack, PEID: id, Profile: core.ProfileFast,
		})
		require.NoError(t, err)
		srv := &server{pe: pe}
		processes[id], servers[id] = p, srv
		sctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = (&poolelement.Server{Handler: srv, Grace: -1}).Serve(sctx, pe) }()
		t.Cleanup(func() { stop(); _ = pe.Close(); <-done })
	}

	pu, err := pooluser.New(&pooluser.Config{Registrars: asapAddrs, Listen: "127.0.0.1@0", Profile: core.ProfileFast})
	require.NoError(t, err)
	defer pu.Close()
	require.Eventually(t, func() bool {
		es, err := pu.Resolve(ctx, pool)
		return err == nil && len(es) == 3
	}, 10*time.Second, 50*time.Millisecond, "all elements are known to the user's registrar")
	es, err := pu.Resolve(ctx, pool)
	require.NoError(t, err)
	for _, e := range es {
		require.Equal(t, processes[e.ID].stack.UDPPort(), e.User.UDPPort, "the UDP port travels along")
	}

	s, err := pu.Dial(ctx, pool)
	require.NoError(t, err)
	defer s.Close()
	s.OnFailover(func(ctx context.Context, cookie []byte) error { return ask(ctx, s, "resume") })
	require.NoError(t, ask(ctx, s, "one"))

	killed := map[rserpool.PEID]bool{}
	for n := 1; n <= 2; n++ {
		victim := s.Element().ID
		killed[victim] = true
		if n == 2 {
			registrars[0].kill()
		}
		processes[victim].kill()
		start := time.Now()
		require.NoError(t, ask(ctx, s, fmt.Sprintf("after %d", n)))
		// The promise is below a second; the machine may be busy.
		require.Less(t, time.Since(start), 10*time.Second)
		t.Logf("fail-over %d took %v", n, time.Since(start))
		next := s.Element().ID
		require.False(t, killed[next])
		require.Len(t, servers[next].cookies(), 1)
		require.Contains(t, servers[next].cookies()[0], victim.String())
	}
	require.Equal(t, 2, s.Failovers())

	// The survivor is registered, and the dead have gone from the pool.
	require.Eventually(t, func() bool {
		es, err := pu.Resolve(ctx, pool)
		return err == nil && len(es) == 1 && es[0].ID == s.Element().ID
	}, 20*time.Second, 100*time.Millisecond)
}
