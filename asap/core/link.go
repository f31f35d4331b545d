package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Address is an IP address.
type Address = netip.Addr

type linkState uint8

const (
	linkDialing  linkState = iota // a Dial output, no answer yet
	linkUp                        // dialed and established
	linkAccepted                  // opened by the registrar
)

// link is one association with a registrar.
type link struct {
	id        LinkID
	state     linkState
	at        rserpool.Transport
	registrar *registrar           // entry in the directory, nil if there is none
	server    rserpool.RegistrarID // 0: not known yet
	local     []Address
	proven    bool      // a message that makes sense came from it
	since     time.Time // when it became the home registrar's
	idle      time.Time // accepted: closed then unless it says something
}

// failed notes that the registrar could not be reached or does not answer, so
// that others are tried before it.
func (l *link) failed(now time.Time) {
	if l.registrar != nil {
		l.registrar.failed = now
	}
}

// linkTable holds the links in the order of their numbers: nothing may depend
// on the order of a map.
type linkTable struct {
	list []*link
	last LinkID
	home *link // the home registrar's, nil if there is none
}

func (t *linkTable) add(s linkState, r *registrar, at rserpool.Transport) *link {
	t.last++
	l := &link{id: t.last, state: s, registrar: r, at: at}
	t.list = append(t.list, l)
	return l
}

func (t *linkTable) get(id LinkID) *link {
	for _, l := range t.list {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (t *linkTable) remove(l *link) {
	t.list = slices.DeleteFunc(t.list, func(x *link) bool { return x == l })
}

// acceptedFrom returns a link that the registrar r opened.
func (t *linkTable) acceptedFrom(r *registrar) *link {
	for _, l := range t.list {
		if l.state == linkAccepted && l.registrar == r && l != t.home {
			return l
		}
	}
	return nil
}

// with reports whether the registrar is being dialed, or is home.
func (t *linkTable) with(r *registrar) bool {
	return slices.ContainsFunc(t.list, func(l *link) bool { return l.registrar == r && (l.state == linkDialing || l == t.home) })
}

// dialing returns the links that are being established.
func (t *linkTable) dialing() []*link {
	var ls []*link
	for _, l := range t.list {
		if l.state == linkDialing {
			ls = append(ls, l)
		}
	}
	return ls
}

// excessAccepted returns the accepted link to give up if there are too many: the
// one that has been silent longest. The home registrar's is never given up.
func (t *linkTable) excessAccepted() *link {
	n := 0
	var victim *link
	for _, l := range t.list {
		if l.state != linkAccepted || l == t.home {
			continue
		}
		n++
		if victim == nil || l.idle.Before(victim.idle) {
			victim = l
		}
	}
	if n <= maxAccepted {
		return nil
	}
	return victim
}

func (t *linkTable) nextIdle() time.Time {
	var at time.Time
	for _, l := range t.list {
		if l.state == linkAccepted && l != t.home {
			at = earliest(at, l.idle)
		}
	}
	return at
}

// idleTime is how long an accepted link that is not the home registrar's may be
// silent: registrars that check an element send one keep-alive and are done.
func (e *Endpoint) idleTime() time.Duration { return e.profile.Hunt }

func (e *Endpoint) closeIdle(now time.Time) {
	for _, l := range slices.Clone(e.links.list) {
		if l.state == linkAccepted && l != e.links.home && due(l.idle, now) {
			e.close(l, false)
		}
	}
}
