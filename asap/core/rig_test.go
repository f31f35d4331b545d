package core_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

const pool = rserpool.PoolHandle("EchoPool")

var errGone = errors.New("gone")

// rig drives one endpoint by hand: a test plays the network, the registrars and
// the clock, and sees every output and event in order.
type rig struct {
	t       *testing.T
	e       *core.Endpoint
	now     time.Time
	outputs []core.Output
	events  []core.Event
	dropped []string
}

// profile has round numbers, so that tests can name the times.
func profile() core.Profile {
	p := core.ProfileRFC
	p.RetryMin = time.Second
	return p
}

// reg is registrar number n's address.
func reg(n int) rserpool.Transport {
	return rserpool.Transport{
		Protocol: rserpool.ProtoSCTP, Port: 3863,
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})},
	}
}

func regs(n int) []rserpool.Transport {
	ts := make([]rserpool.Transport, n)
	for i := range ts {
		ts[i] = reg(i + 1)
	}
	return ts
}

// seeded returns endless, repeatable random bytes.
func seeded(seed byte) *rand.ChaCha8 {
	return rand.NewChaCha8([32]byte(bytes.Repeat([]byte{seed}, 32)))
}

func newRig(t *testing.T, cfg core.Config) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_000_000, 0)}
	if cfg.Profile.Name == "" {
		cfg.Profile = profile()
	}
	if cfg.Rand == nil {
		cfg.Rand = seeded(1)
	}
	cfg.Trace = &core.Trace{Dropped: func(_ core.LinkID, why string) { r.dropped = append(r.dropped, why) }}
	e, err := core.New(&cfg)
	require.NoError(t, err)
	r.e = e
	return r
}

// drain moves what the endpoint has to say into the lists.
func (r *rig) drain() {
	for o, ok := r.e.PollOutput(); ok; o, ok = r.e.PollOutput() {
		r.outputs = append(r.outputs, o)
	}
	for ev, ok := r.e.PollEvent(); ok; ev, ok = r.e.PollEvent() {
		r.events = append(r.events, ev)
	}
}

// take returns and forgets the outputs so far.
func (r *rig) take() []core.Output {
	r.drain()
	os := r.outputs
	r.outputs = nil
	return os
}

func (r *rig) takeEvents() []core.Event {
	r.drain()
	es := r.events
	r.events = nil
	return es
}

// kinds returns the kinds of the events so far and forgets them.
func (r *rig) kinds() []core.EventKind {
	var ks []core.EventKind
	for _, e := range r.takeEvents() {
		ks = append(ks, e.Kind)
	}
	return ks
}

// one returns the only output there is.
func (r *rig) one(kind core.OutputKind) core.Output {
	r.t.Helper()
	os := r.take()
	require.Len(r.t, os, 1, "%v", os)
	require.Equal(r.t, kind, os[0].Kind, "%v", os[0])
	return os[0]
}

// dials returns the links of the outputs, which are all Dial.
func (r *rig) dials() []core.Output {
	r.t.Helper()
	os := r.take()
	for _, o := range os {
		require.Equal(r.t, core.OutputDial, o.Kind, "%v", o)
	}
	return os
}

// advance lets time pass, with every timeout at its time.
func (r *rig) advance(d time.Duration) {
	end := r.now.Add(d)
	for i := 0; ; i++ {
		require.Less(r.t, i, 10_000, "timers spin")
		at, ok := r.e.NextTimeout()
		if !ok || at.After(end) {
			break
		}
		if at.After(r.now) {
			r.now = at
		}
		r.e.HandleTimeout(r.now)
		r.drain()
	}
	r.now = end
}

func (r *rig) message(link core.LinkID, m asap.Message) {
	r.t.Helper()
	b, err := asap.Marshal(m)
	require.NoError(r.t, err)
	r.e.HandleMessage(r.now, link, b)
}

// connect makes registrar links[i] the home registrar.
func (r *rig) connect(link core.LinkID) {
	r.e.HandleConnected(r.now, link, []netip.Addr{netip.MustParseAddr("10.0.0.100")})
}

// home resolves nothing but makes the endpoint connect, by asking for a pool.
func (r *rig) home() core.LinkID {
	r.t.Helper()
	_, ok := r.e.Resolve(r.now, "warm-up", 0)
	require.False(r.t, ok)
	ds := r.take()
	require.NotEmpty(r.t, ds)
	r.connect(ds[0].Link)
	r.message(ds[0].Link, &asap.HandleResolutionResponse{Handle: "warm-up", Elements: []rserpool.PoolElement{element(9)}})
	r.take()
	r.takeEvents()
	return ds[0].Link
}

func element(id rserpool.PEID) rserpool.PoolElement {
	return rserpool.PoolElement{
		ID: id, Life: 60,
		User: rserpool.Transport{
			Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl,
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 1, byte(id)})},
		},
		Policy: rserpool.Policy{Type: rserpool.RoundRobin},
	}
}

func registration() core.Registration {
	return core.Registration{
		Handle: pool, ID: 7, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		User: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl},
	}
}

// registered returns a rig whose element is registered, and its home link.
func registered(t *testing.T, cfg core.Config) (*rig, core.LinkID) {
	t.Helper()
	r := newRig(t, cfg)
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	ds := r.take()
	require.NotEmpty(t, ds)
	r.connect(ds[0].Link)
	r.message(ds[0].Link, &asap.RegistrationResponse{Handle: pool, PEID: 7})
	require.Contains(t, r.kinds(), core.EventRegistered)
	r.take()
	return r, ds[0].Link
}

// sent returns the messages among the outputs on a link, as text.
func sent(os []core.Output, link core.LinkID) []string {
	var ms []string
	for _, o := range os {
		if o.Kind == core.OutputSend && o.Link == link {
			ms = append(ms, o.Message.Type().String())
		}
	}
	return ms
}

func texts(os []core.Output) []string {
	var ss []string
	for _, o := range os {
		if o.Kind == core.OutputSend {
			ss = append(ss, fmt.Sprintf("send %d %v", o.Link, o.Message.Type()))
			continue
		}
		ss = append(ss, o.String())
	}
	return ss
}
