package asaplink_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const pool = rserpool.PoolHandle("pool")

// recorder collects events.
type recorder struct {
	mu     sync.Mutex
	events []core.Event
}

func (r *recorder) add(ev core.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

func (r *recorder) kinds() []core.EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ks []core.EventKind
	for _, e := range r.events {
		ks = append(ks, e.Kind)
	}
	return ks
}

func start(w *asaplinktest.World, host int, listen bool, rs ...*asaplinktest.Registrar) (*asaplink.Agent, *recorder) {
	w.T.Helper()
	var addrs []string
	for _, r := range rs {
		addrs = append(addrs, r.Address())
	}
	ts, err := asaplink.Registrars(w.T.Context(), addrs)
	require.NoError(w.T, err)
	rec := &recorder{}
	a, err := asaplink.Start(&asaplink.Config{
		Core: core.Config{Profile: core.ProfileFast, Registrars: ts}, Stack: w.Stack(host), Listen: listen, OnEvent: rec.add,
	})
	require.NoError(w.T, err)
	w.T.Cleanup(a.Close)
	return a, rec
}

func resolve(a *asaplink.Agent) {
	a.Do(func(now time.Time, e *core.Endpoint) { e.Resolve(now, pool, 0) })
}

// Only the winner of a hunt keeps its association, RFC 5352 §3.6 SH6.
func TestAgentHunts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		rs := []*asaplinktest.Registrar{w.Registrar(1), w.Registrar(2), w.Registrar(3)}
		a, rec := start(w, 9, false, rs...)
		resolve(a)
		time.Sleep(time.Second)
		require.Equal(t, []core.EventKind{core.EventHome, core.EventResolved}, rec.kinds())
		n := 0
		for _, r := range rs {
			n += r.Associations()
		}
		require.Equal(t, 1, n)
	})
}

// An association that ends is an input: the request goes to another registrar.
func TestAgentNoticesAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		a, rec := start(w, 9, false, r)
		resolve(a)
		time.Sleep(10 * time.Second)
		r.DropAll()
		time.Sleep(time.Second)
		require.Equal(t, core.EventHomeLost, rec.kinds()[2])
		time.Sleep(time.Minute) // until the negative answer may be repeated
		resolve(a)
		time.Sleep(time.Second)
		require.Equal(t, []core.EventKind{core.EventHome, core.EventResolved}, rec.kinds()[3:])
	})
}

// What is not ASAP, or too long to be, does not disturb.
func TestAgentIgnoresOtherData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		a, rec := start(w, 9, true, w.Registrar(1))
		require.NotZero(t, a.Port())
		stranger, err := w.Stack(8).Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{asaplinktest.IP(9)}, Port: a.Port()}, nil)
		require.NoError(t, err)
		defer stranger.Close()
		ctx := t.Context()
		require.NoError(t, stranger.Send(ctx, &sctp.Message{PPID: 12, Data: []byte("enrp?")}))
		require.NoError(t, stranger.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: make([]byte, 200_000)}))
		require.NoError(t, stranger.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: []byte{0x7f, 0, 0, 4}}))
		m, err := stranger.ReceiveMessage(ctx, nil, 1000)
		require.NoError(t, err)
		reply, err := asap.Decode(m.Data)
		require.NoError(t, err)
		require.Equal(t, asap.TypeError, reply.Type())
		time.Sleep(10 * time.Second)
		require.Empty(t, rec.kinds())
		_, err = stranger.Receive(ctx, make([]byte, 1))
		require.Error(t, err, "silent links are closed")
	})
}

// Close ends dials, associations and timers; Do does nothing afterwards.
func TestAgentClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		r := w.Registrar(1)
		up, _ := start(w, 8, true, r)
		resolve(up)
		dialing, rec := start(w, 9, true, r)
		time.Sleep(time.Second)
		require.Equal(t, 1, r.Associations())
		w.Cut(1)
		resolve(dialing)
		start := time.Now()
		dialing.Close()
		require.Zero(t, time.Since(start))
		up.Close() // the registrar does not confirm
		require.Less(t, time.Since(start), time.Second)
		up.Close()
		up.Do(func(time.Time, *core.Endpoint) { t.Fatal("closed") })
		time.Sleep(time.Minute)
		require.Empty(t, rec.kinds())
	})
}

// Two agents on one stack cannot have one ASAP port.
func TestAgentPortTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		s := w.Stack(1)
		a, err := asaplink.Start(&asaplink.Config{Stack: s, Listen: true, Port: 5})
		require.NoError(t, err)
		defer a.Close()
		_, err = asaplink.Start(&asaplink.Config{Stack: s, Listen: true, Port: 5})
		require.ErrorIs(t, err, sctp.ErrPortInUse)
	})
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		text string
		udp  uint16
		back string
	}{
		{"192.0.2.1:3863", 0, "192.0.2.1:3863"},
		{"192.0.2.1:3863@9899", 0, "192.0.2.1:3863"},
		{"[2001:db8::1]/192.0.2.1:3863@7000", 7000, "[2001:db8::1]/192.0.2.1:3863@7000"},
	} {
		ts, err := asaplink.Registrars(context.Background(), []string{c.text})
		require.NoError(t, err)
		require.Len(t, ts, 1)
		require.Equal(t, c.udp, ts[0].UDPPort)
		require.Equal(t, c.back, asaplink.Addr(ts[0]).String())
		require.NoError(t, ts[0].Validate())
	}
	_, err := asaplink.Registrars(context.Background(), []string{"192.0.2.1"})
	require.Error(t, err)
}

// What the profile says counts unless it is said otherwise.
func TestSCTPConfig(t *testing.T) {
	p := core.ProfileFast.Transport
	c := asaplink.SCTPConfig(p, nil)
	require.Equal(t, p.RTOMin, c.RTOMin)
	require.Equal(t, p.AssociationMaxRetrans, c.AssociationMaxRetrans)
	own := &sctp.Config{RTOMin: time.Second, PPID: 7}
	c = asaplink.SCTPConfig(p, own)
	require.Equal(t, time.Second, c.RTOMin)
	require.EqualValues(t, 7, c.PPID)
	require.Equal(t, p.RTOMax, c.RTOMax)
	require.Equal(t, &sctp.Config{RTOMin: time.Second, PPID: 7}, own, "not modified")
}
