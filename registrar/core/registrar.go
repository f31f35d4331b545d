package core

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// phase is where a registrar is in its life.
type phase uint8

const (
	phaseStarting phase = iota // RFC 5353 §3.2: no handlespace yet
	phaseReady
	phaseDraining
)

// Registrar is one registrar. See the package comment for how to drive it.
type Registrar struct {
	cfg     Config
	profile Profile
	limits  Limits
	rnd     *rand.Rand

	id      rserpool.RegistrarID
	phase   phase
	started time.Time
	space   *handlespace.Space
	stats   Stats

	rejectedBy, undecodableBy causeCounts

	timers  timers
	actions queue[Action]
	events  queue[Event]

	links     links                           // connections
	peers     map[rserpool.RegistrarID]*peer  // known peers
	targets   []*target                       // where to dial peers
	mentors   mentors                         // start-up
	takeovers map[rserpool.RegistrarID]*claim // by their targets
	drain     drain

	entries map[handlespace.Key]*entry // elements with an association here, or owned
	sources map[netip.Addr]int         // owned elements by where they registered from
	dials   elementDials
	meter   meter
	ears    ears // what was heard by multicast
	subs    map[rserpool.PoolHandle]map[ConnID]struct{}
}

// New returns a Registrar that starts at the given time: with peers configured it
// looks for a mentor, otherwise it is ready (RFC 5353 §3.2.2.1).
func New(now time.Time, cfg Config) (*Registrar, error) {
	if cfg.Profile.Name == "" {
		cfg.Profile = ProfileDefault
	}
	if err := cfg.Profile.Validate(); err != nil {
		return nil, err
	}
	rnd, err := cfg.source()
	if err != nil {
		return nil, err
	}
	r := &Registrar{
		cfg: cfg, profile: cfg.Profile, limits: cfg.Limits.withDefaults(), rnd: rnd,
		id: cfg.ID, started: now,
		links:     newLinks(),
		peers:     make(map[rserpool.RegistrarID]*peer),
		takeovers: make(map[rserpool.RegistrarID]*claim),
		entries:   make(map[handlespace.Key]*entry),
		sources:   make(map[netip.Addr]int),
		dials:     newElementDials(),
		meter:     newMeter(),
		ears:      newEars(),
		subs:      make(map[rserpool.PoolHandle]map[ConnID]struct{}),
	}
	r.space = r.newSpace()
	for r.id == 0 {
		r.id = rserpool.RegistrarID(rnd.Uint32())
	}
	if r.cfg.ENRP.Port == 0 {
		r.cfg.ENRP.Port = rserpool.ENRPPort
	}
	if r.cfg.ASAP.Port == 0 {
		r.cfg.ASAP.Port = rserpool.ASAPPort
	}
	if err := checkPeers(cfg.Peers); err != nil {
		return nil, err
	}
	for _, t := range cfg.Peers {
		r.addTarget(t, true)
	}
	r.start(now)
	return r, nil
}

// ID is the registrar's identifier. It changes only if another registrar has the
// same one; EventIdentifier tells.
func (r *Registrar) ID() rserpool.RegistrarID { return r.id }

// Ready reports whether the start-up has ended, so that ASAP may be served.
func (r *Registrar) Ready() bool { return r.phase == phaseReady }

// PollAction returns the next thing to do; false means that there is none.
func (r *Registrar) PollAction() (Action, bool) { return r.actions.pop() }

// PollEvent returns the next thing that happened; false means that there is none.
func (r *Registrar) PollEvent() (Event, bool) { return r.events.pop() }

// NextTimeout returns when to call HandleTimeout; false means never.
func (r *Registrar) NextTimeout() (time.Time, bool) { return r.timers.next() }

// HandleTimeout handles all timers that have ended by now. A call that comes
// late does not count the delay as the silence of others.
func (r *Registrar) HandleTimeout(now time.Time) {
	if at, ok := r.timers.next(); ok {
		if late := now.Sub(at); late > r.profile.KeepAliveTimeout/2 {
			r.timers.postpone(late + r.profile.KeepAliveTimeout/2)
			r.stats.Stalls++
		}
	}
	for {
		k, ok := r.timers.expired(now)
		if !ok {
			return
		}
		r.timeout(now, k)
	}
}

func (r *Registrar) timeout(now time.Time, k timerKey) {
	switch k.kind {
	case timerHeartbeat:
		r.heartbeat(now)
	case timerMentor:
		r.begin(now, "no mentor")
	case timerMentorRetry:
		r.askMentor(now)
	case timerPeer:
		r.peerTimeout(now, rserpool.RegistrarID(k.id))
	case timerTakeover:
		r.takeoverTimeout(now, rserpool.RegistrarID(k.id))
	case timerSync:
		r.syncTimeout(now, rserpool.RegistrarID(k.id))
	case timerServe:
		r.serveTimeout(ConnID(k.id))
	case timerRetire:
		r.retire(now, ConnID(k.id))
	case timerDial:
		r.dialTimeout(now, k.id)
	case timerKeepAlive:
		r.keepAliveDue(now, k.Key)
	case timerKeepAliveTimeout:
		r.keepAliveTimeout(now, k.Key)
	case timerLink:
		r.linkTimeout(now, k.Key)
	case timerElementDial:
		r.redialElement(now, k.Key)
	case timerLife:
		r.lifeTimeout(now, k.Key)
	case timerNotify:
		r.notify(now, k.Handle)
	case timerDrain:
		r.drained()
	case timerAnnounce:
		r.announceTimeout(now)
	}
}

// send puts a message out on a connection that is up.
func (r *Registrar) send(c *conn, m Message) {
	if c.up {
		r.actions.push(Action{Kind: Send, Conn: c.id, Channel: c.channel, Message: m})
	}
}

func (r *Registrar) event(e Event) { r.events.push(e) }

// refused reports something that a peer may not do.
func (r *Registrar) refused(p *peer, reason string) {
	r.stats.Refused++
	r.event(Event{Kind: EventRefused, Registrar: p.id, Reason: reason})
}

// jitter draws from d - d/part to d + d/part.
func (r *Registrar) jitter(d time.Duration, part int64) time.Duration {
	span := int64(d) / part
	return d - time.Duration(span) + time.Duration(r.rnd.Int64N(2*span+1))
}

// sortedKeys returns the keys of an element set in a fixed order, so that maps
// never decide about the order of messages.
func sortedKeys[V any](m map[handlespace.Key]V) []handlespace.Key {
	keys := make([]handlespace.Key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, handlespace.Key.Compare)
	return keys
}

// newSpace makes the handlespace. Its random policies draw from the registrar's
// generator.
func (r *Registrar) newSpace() *handlespace.Space {
	return handlespace.New(handlespace.Options{
		MaxPools: r.limits.Pools, MaxElements: r.limits.Elements, MaxElementsPerPool: r.limits.ElementsPerPool,
		Policy: policy.Options{Rand: r.rnd.Uint64}, Portable: portable,
	})
}

// lookup finds an element in the handlespace.
func (r *Registrar) lookup(k handlespace.Key) (handlespace.Element, bool) {
	return r.space.Get(k.Handle, k.ID)
}

// Space is the handlespace, for reading.
func (r *Registrar) Space() *handlespace.Space { return r.space }
