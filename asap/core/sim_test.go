package core_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// world simulates registrars that come and go, on a clock of its own: everything
// that is under way is in a list of things that happen at some time.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	now   time.Time
	e     *core.Endpoint
	log   []string
	queue []happening
	up    map[string]bool          // registrars that live
	links map[core.LinkID]*simLink // open or being opened
	owner string                   // registrar that has the element
	held  map[rserpool.PEID]holder // of many elements: by whom, and how
	stats map[asap.MessageType]int // messages from the endpoint
	dials int
}

type simLink struct {
	registrar string
	up        bool
}

// holder is a registrar that has an element, with the weight that it knows.
type holder struct {
	registrar string
	weight    uint32
}

type happening struct {
	at time.Time
	do func()
}

func newWorld(t *testing.T, seed uint64, cfg core.Config) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_000_000, 0),
		up: map[string]bool{}, links: map[core.LinkID]*simLink{}, stats: map[asap.MessageType]int{}, held: map[rserpool.PEID]holder{},
	}
	cfg.Rand = seeded(byte(seed))
	e, err := core.New(&cfg)
	require.NoError(t, err)
	w.e = e
	for _, r := range cfg.Registrars {
		w.up[r.String()] = true
	}
	return w
}

func (w *world) after(d time.Duration, do func()) {
	w.queue = append(w.queue, happening{w.now.Add(d), do})
}

// delay is a one-way delay.
func (w *world) delay() time.Duration { return time.Duration(1+w.rnd.IntN(40)) * time.Millisecond }

// note puts a line in the log, by which two runs are compared.
func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%8.3f ", w.now.Sub(time.Unix(1_000_000, 0)).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) drain() {
	dialing := 0
	for o, ok := w.e.PollOutput(); ok; o, ok = w.e.PollOutput() {
		w.note("%v", o)
		w.output(o)
	}
	for ev, ok := w.e.PollEvent(); ok; ev, ok = w.e.PollEvent() {
		w.note("event %v %v", ev.Kind, ev.Err)
	}
	for _, l := range w.links {
		if !l.up {
			dialing++
		}
	}
	require.LessOrEqual(w.t, dialing, core.MaxHuntDials, "RFC 5352 §3.6 SH1")
}

func (w *world) output(o core.Output) {
	switch o.Kind {
	case core.OutputDial:
		w.dials++
		l := &simLink{registrar: o.Registrar.String()}
		w.links[o.Link] = l
		w.after(w.delay(), func() { w.connected(o.Link, l) })
	case core.OutputClose:
		require.Contains(w.t, w.links, o.Link)
		delete(w.links, o.Link)
	case core.OutputSend:
		l := w.links[o.Link]
		require.NotNil(w.t, l, "sent on a link that is gone")
		require.True(w.t, l.up)
		w.stats[o.Message.Type()]++
		w.after(w.delay(), func() { w.received(o.Link, l, o.Message) })
	}
}

// connected ends a dial: refused if the registrar is down, or lost in silence,
// which the endpoint's own T5 must end.
func (w *world) connected(id core.LinkID, l *simLink) {
	switch {
	case w.links[id] != l:
	case !w.up[l.registrar] && w.rnd.IntN(2) == 0:
		delete(w.links, id)
		w.e.HandleLost(w.now, id, errGone)
	case w.up[l.registrar]:
		l.up = true
		w.e.HandleConnected(w.now, id, []netip.Addr{netip.MustParseAddr("10.0.0.100")})
	}
}

func (w *world) received(id core.LinkID, l *simLink, m asap.Message) {
	if !w.up[l.registrar] || w.links[id] != l {
		return
	}
	var reply asap.Message
	switch m := m.(type) {
	case *asap.Registration:
		w.owner = l.registrar
		w.held[m.Element.ID] = holder{l.registrar, m.Element.Policy.Weight}
		reply = &asap.RegistrationResponse{Handle: m.Handle, PEID: m.Element.ID}
	case *asap.HandleResolution:
		reply = answer(1, 2, 3)
	case *asap.Deregistration:
		w.owner = ""
		delete(w.held, m.PEID)
		reply = &asap.DeregistrationResponse{Handle: m.Handle, PEID: m.PEID}
	default:
		return
	}
	w.after(w.delay(), func() {
		if w.links[id] == l && w.up[l.registrar] {
			b, err := asap.Marshal(reply)
			require.NoError(w.t, err)
			w.e.HandleMessage(w.now, id, b)
		}
	})
}

// kill stops a registrar. The endpoint hears of it from its transport after some
// time, or never.
func (w *world) kill(name string, notice bool) {
	w.note("kill %s", name)
	w.up[name] = false
	if w.owner == name {
		w.owner = ""
	}
	maps.DeleteFunc(w.held, func(_ rserpool.PEID, h holder) bool { return h.registrar == name })
	if notice {
		w.after(500*time.Millisecond, func() {
			for id := core.LinkID(1); int(id) <= w.dials; id++ {
				if l := w.links[id]; l != nil && l.registrar == name && l.up && !w.up[name] {
					delete(w.links, id)
					w.e.HandleLost(w.now, id, errGone)
				}
			}
		})
	}
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	w.drain()
	for steps := 0; ; steps++ {
		require.Less(w.t, steps, 200_000, "too busy")
		next, timer := end, false
		if at, ok := w.e.NextTimeout(); ok && at.Before(next) {
			next, timer = at, true
		}
		first := -1
		for i, h := range w.queue {
			if h.at.Before(next) || h.at.Equal(next) && !timer {
				next, timer, first = h.at, false, i
			}
		}
		if first < 0 && !timer {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		if first >= 0 {
			h := w.queue[first]
			w.queue = append(w.queue[:first:first], w.queue[first+1:]...)
			h.do()
		} else {
			w.e.HandleTimeout(w.now)
		}
		w.drain()
	}
	w.now = end
}

// An element stays registered while registrars die, go silent and come back; the
// endpoint's load on them stays bounded; and a run is a pure function of its
// inputs.
func TestSimElementSurvivesRegistrars(t *testing.T) {
	for seed := range uint64(30) {
		one := simElement(t, seed)
		require.Equal(t, one, simElement(t, seed), "seed %d: not deterministic", seed)
	}
}

func simElement(t *testing.T, seed uint64) []string {
	rs := regs(4)
	w := newWorld(t, seed, core.Config{Registrars: rs, Profile: core.ProfileFast})
	_, err := w.e.Register(w.now, registration())
	require.NoError(t, err)
	w.run(2 * time.Second)
	require.NotEmpty(t, w.owner, "seed %d: not registered", seed)
	for range 40 {
		// At least one registrar lives.
		name := rs[w.rnd.IntN(3)].String()
		if w.up[name] {
			w.kill(name, w.rnd.IntN(3) > 0)
		} else {
			w.note("revive %s", name)
			w.up[name] = true
		}
		w.run(time.Duration(w.rnd.IntN(4000)) * time.Millisecond)
	}
	w.run(15 * time.Second)
	require.NotEmpty(t, w.owner, "seed %d: lost its registration", seed)
	require.True(t, w.up[w.owner])
	// Two minutes at most with one registration every five seconds, and no
	// more than a few for each of 40 disturbances.
	require.Less(t, w.stats[asap.TypeRegistration], 40+40*4, "seed %d", seed)
	require.Less(t, w.dials, 40*20, "seed %d", seed)
	return w.log
}

// With all registrars dead an endpoint goes on trying at a low rate, for ever,
// and recovers when one returns.
func TestSimAllRegistrarsDead(t *testing.T) {
	for seed := range uint64(10) {
		rs := regs(3)
		w := newWorld(t, seed, core.Config{Registrars: rs, Profile: core.ProfileFast})
		_, err := w.e.Register(w.now, registration())
		require.NoError(t, err)
		w.run(2 * time.Second)
		for _, r := range rs {
			w.kill(r.String(), true)
		}
		w.run(10 * time.Second)
		before := w.dials
		w.run(10 * time.Minute)
		// Three dials a round, a round every RetransMax/2 at most often.
		require.Less(t, w.dials-before, 3*int(10*time.Minute/(5*time.Second/2))+3)
		w.up[rs[1].String()] = true
		w.run(15 * time.Second)
		require.Equal(t, rs[1].String(), w.owner, "seed %d", seed)
	}
}

// Resolutions end, with elements or an error, whatever the registrars do.
func TestSimResolutionsEnd(t *testing.T) {
	for seed := range uint64(20) {
		rs := regs(3)
		w := newWorld(t, seed, core.Config{Registrars: rs, Profile: core.ProfileFast})
		waiting := 0
		for range 60 {
			if _, ok := w.e.Resolve(w.now, pool, 0); !ok {
				waiting++
				w.run(30 * time.Second)
				waiting--
				require.Contains(t, w.log[len(w.log)-1]+w.log[max(0, len(w.log)-2)]+w.log[max(0, len(w.log)-3)], "event",
					"seed %d", seed)
				_, armed := w.e.NextTimeout()
				require.False(t, armed, "seed %d: %v", seed, w.log[max(0, len(w.log)-5):])
			}
			name := rs[w.rnd.IntN(3)].String()
			if w.up[name] {
				w.kill(name, w.rnd.IntN(2) == 0)
			} else {
				w.up[name] = true
			}
		}
		require.Zero(t, waiting)
	}
}

// Many elements of one endpoint come, change and leave while registrars die and return:
// in the end a registrar that lives has exactly those that are there, as they are.
func TestSimMembers(t *testing.T) {
	for seed := range uint64(20) {
		one := simMembers(t, seed)
		require.Equal(t, one, simMembers(t, seed), "seed %d: not deterministic", seed)
	}
}

func simMembers(t *testing.T, seed uint64) []string {
	rs := regs(4)
	p := core.ProfileFast
	p.Life, p.Reregistration = time.Hour, time.Hour // that heals nothing here
	w := newWorld(t, seed, core.Config{Registrars: rs, Profile: p})
	want := map[rserpool.PEID]uint32{} // weights
	for range 60 {
		id := rserpool.PEID(w.rnd.IntN(100) + 1)
		switch n := w.rnd.IntN(10); {
		case n < 6:
			want[id] = w.rnd.Uint32N(1000) + 1
			g := registration()
			g.ID, g.Policy = id, rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: want[id]}
			_, err := w.e.Register(w.now, g)
			require.NoError(t, err)
		case n < 8:
			delete(want, id)
			w.e.Deregister(w.now, pool, id)
		default:
			if name := rs[w.rnd.IntN(3)].String(); w.up[name] {
				w.kill(name, true)
				w.run(600 * time.Millisecond) // until that is noticed
			} else {
				w.note("revive %s", name)
				w.up[name] = true
			}
		}
		w.run(time.Duration(w.rnd.IntN(1000)) * time.Millisecond)
	}
	w.run(10 * time.Second)
	require.Len(t, w.held, len(want), "seed %d", seed)
	for id, weight := range want {
		require.Equal(t, weight, w.held[id].weight, "seed %d, element %d", seed, id)
		require.True(t, w.up[w.held[id].registrar], "seed %d, element %d", seed, id)
	}
	return w.log
}
