package core

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// Endpoint is an ASAP endpoint: the ASAP side of pool elements, of a pool user, or of
// both in one. Its elements may be of several pools, and several of one: they share the
// association with their home registrar.
type Endpoint struct {
	cfg     Config
	profile Profile
	rnd     *rand.Rand

	dir      directory // addresses of registrars
	links    linkTable // associations with registrars
	hunt     hunt      // RFC 5352 §3.6
	members  members   // RFC 5352 §3.1, §3.2
	requests requests  // RFC 5352 §3.3
	cache    cache     // RFC 5352 §3.3 C1-C4
	reports  reports   // RFC 5352 §3.5
	ears     ears      // RFC 5352 §3.6

	outputs queue[Output]
	events  queue[Event]
}

// New returns an endpoint that does nothing yet: it hunts for a registrar as
// soon as it has a registration, a request or a report for one.
func New(cfg *Config) (*Endpoint, error) {
	e := &Endpoint{cfg: *cfg, profile: cfg.Profile}
	if e.profile == (Profile{}) {
		e.profile = ProfileDefault
	}
	if err := e.profile.Validate(); err != nil {
		return nil, err
	}
	var err error
	if e.rnd, err = cfg.source(); err != nil {
		return nil, err
	}
	for _, t := range cfg.Registrars {
		e.dir.add(t)
	}
	e.hunt.t5 = e.profile.Hunt
	e.cache.init()
	return e, nil
}

// Profile returns the timer profile in use.
func (e *Endpoint) Profile() Profile { return e.profile }

// PollOutput returns the next thing to do.
func (e *Endpoint) PollOutput() (Output, bool) { return e.outputs.pop() }

// PollEvent returns the next event.
func (e *Endpoint) PollEvent() (Event, bool) { return e.events.pop() }

// NextTimeout returns when HandleTimeout must be called; false if no timer runs.
func (e *Endpoint) NextTimeout() (time.Time, bool) {
	t := e.hunt.deadline
	t = earliest(t, e.dir.nextExpiry())
	t = earliest(t, nextDeadline(e.members.list))
	t = earliest(t, nextDeadline(e.requests.list))
	t = earliest(t, e.links.nextIdle())
	t = earliest(t, e.reports.nextDeadline())
	return t, !t.IsZero()
}

// HandleTimeout does what is due at now. Calling it early does no harm.
func (e *Endpoint) HandleTimeout(now time.Time) {
	e.dir.expire(now)
	e.closeIdle(now)
	e.reports.expire(now)
	for m, ok := firstDue(e.members.list, now); ok; m, ok = firstDue(e.members.list, now) {
		e.memberTimeout(now, m)
	}
	for r, ok := firstDue(e.requests.list, now); ok; r, ok = firstDue(e.requests.list, now) {
		e.requestTimeout(now, r)
	}
	if due(e.hunt.deadline, now) {
		e.huntTimeout(now)
	}
	e.settle(now)
}

// HandleConnected says that the association of a Dial output is up. local are
// the local addresses that the registrar sees, for a registration that leaves
// the element's addresses open.
func (e *Endpoint) HandleConnected(now time.Time, id LinkID, local []Address) {
	l := e.links.get(id)
	if l == nil || l.state != linkDialing {
		return
	}
	l.state, l.local = linkUp, slices.Clone(local)
	e.adopt(now, l, false)
	e.settle(now)
}

// HandleLost says that an association ended, that it could not be established,
// or that a message could not be sent on it (RFC 5352 §3.7.1).
func (e *Endpoint) HandleLost(now time.Time, id LinkID, err error) {
	l := e.links.get(id)
	if l == nil {
		return
	}
	e.links.remove(l)
	switch {
	case l == e.links.home:
		l.failed(now)
		e.homeLost(now, err)
		if !l.proven {
			e.requestsUnreachable(now)
			e.membersUnreachable()
		}
	case l.state == linkDialing:
		l.failed(now)
		e.dialMore(now)
	}
	e.settle(now)
}

// HandleAccepted says that a peer opened an association to the element's ASAP
// port: a registrar that has taken over or that checks a report. It returns the
// link's number. Only so many such links are kept; the longest silent one makes
// room.
func (e *Endpoint) HandleAccepted(now time.Time, from rserpool.Transport, local []Address) LinkID {
	l := e.links.add(linkAccepted, e.dir.find(from), from)
	l.local = slices.Clone(local)
	l.idle = now.Add(e.idleTime())
	if old := e.links.excessAccepted(); old != nil {
		e.drop(old, "too many accepted links")
	}
	e.settle(now)
	return l.id
}

// HandleMessage processes one ASAP message from a link.
func (e *Endpoint) HandleMessage(now time.Time, id LinkID, b []byte) {
	l := e.links.get(id)
	if l == nil || l.state == linkDialing {
		return
	}
	m, err := asap.Decode(b)
	if err != nil {
		e.undecodable(l, err)
		return
	}
	if causes := m.ReportCauses(); len(causes) > 0 {
		e.send(l, &asap.Error{Causes: causes})
	}
	e.dispatch(now, l, m)
	e.settle(now)
}

func (e *Endpoint) dispatch(now time.Time, l *link, m asap.Message) {
	// Only the home registrar answers requests: they were sent to nobody else.
	if ka, ok := m.(*asap.EndpointKeepAlive); ok {
		e.keepAlive(now, l, ka)
		return
	}
	if l != e.links.home {
		e.dropped(l.id, "not from the home registrar")
		return
	}
	e.proved(l)
	switch m := m.(type) {
	case *asap.RegistrationResponse:
		e.registrationResponse(now, m)
	case *asap.DeregistrationResponse:
		e.deregistrationResponse(now, m)
	case *asap.HandleResolutionResponse:
		e.resolutionResponse(now, m)
	case *asap.Error:
		e.remoteError(now, l, m)
	default:
		e.dropped(l.id, "unexpected message")
	}
}

// settle starts what has become possible or necessary after an input: waiting
// messages go to the home registrar, or a hunt begins.
func (e *Endpoint) settle(now time.Time) {
	switch {
	case e.links.home != nil:
	case e.needsHome():
		e.startHunt(now)
	default:
		e.stopHunt()
	}
	if e.links.home != nil {
		e.flush(now)
	}
}

// needsHome reports whether there is something to tell a registrar.
func (e *Endpoint) needsHome() bool {
	return e.members.wantHome() || len(e.requests.list) > 0 || len(e.reports.waiting) > 0
}

// flush sends what waited for a home registrar.
func (e *Endpoint) flush(now time.Time) {
	e.membersFlush(now)
	for _, r := range e.requests.list {
		if !r.sent {
			e.sendRequest(now, r)
		}
	}
	e.sendReports()
}

func (e *Endpoint) send(l *link, m asap.Message) {
	e.outputs.push(Output{Kind: OutputSend, Link: l.id, Message: m})
}

func (e *Endpoint) close(l *link, abort bool) {
	e.links.remove(l)
	e.outputs.push(Output{Kind: OutputClose, Link: l.id, Abort: abort})
}

func (e *Endpoint) drop(l *link, reason string) {
	e.dropped(l.id, reason)
	e.close(l, true)
}

func (e *Endpoint) dropped(id LinkID, reason string) {
	if e.cfg.Trace != nil && e.cfg.Trace.Dropped != nil {
		e.cfg.Trace.Dropped(id, reason)
	}
}

// queue is a first-in, first-out list.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) push(x T) { q.items = append(q.items, x) }

func (q *queue[T]) pop() (T, bool) {
	var zero T
	if q.head == len(q.items) {
		return zero, false
	}
	x := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return x, true
}
