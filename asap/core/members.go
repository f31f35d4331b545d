package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Bounds on the elements of one endpoint.
const (
	// MaxMembers is how many elements one Endpoint can register.
	MaxMembers = 1024

	// maxUnanswered is how many registrations and deregistrations wait for their
	// answers at once: a new home registrar gets them one after the other, not all in
	// one burst that its limits and the send buffer might refuse.
	maxUnanswered = 64
)

// members are the elements of this endpoint, in the order in which they came.
type members struct {
	list  []*member
	sends uint64 // requests sent so far
}

func (ms *members) find(h rserpool.PoolHandle, id rserpool.PEID) *member {
	for _, m := range ms.list {
		if m.reg.ID == id && m.reg.Handle == h {
			return m
		}
	}
	return nil
}

func (ms *members) remove(m *member) {
	ms.list = slices.DeleteFunc(ms.list, func(x *member) bool { return x == m })
}

// wantHome reports whether an element needs a home registrar.
func (ms *members) wantHome() bool { return slices.ContainsFunc(ms.list, (*member).wantsHome) }

// unanswered returns how many requests wait for an answer.
func (ms *members) unanswered() int {
	n := 0
	for _, m := range ms.list {
		if m.sent {
			n++
		}
	}
	return n
}

// oldestRegistration returns the element whose registration waits longest for its
// response, nil if none does.
func (ms *members) oldestRegistration() *member {
	var old *member
	for _, m := range ms.list {
		if m.sent && m.state == memberRegistering && (old == nil || m.order < old.order) {
			old = m
		}
	}
	return old
}

// homeChanged is called when the home registrar is lost or replaced. takenOver says
// that the new one has announced itself by keep-alive: it owns the registrations
// already (RFC 5353 §3.5).
func (ms *members) homeChanged(takenOver bool) {
	for _, m := range ms.list {
		switch {
		case m.state == memberRegistered && !takenOver:
			m.want(memberRegistering)
		case m.sent && m.state != memberRegistered:
			m.want(m.state)
		}
	}
}

// membersFlush sends what the elements have to say, now that there is a home
// registrar.
func (e *Endpoint) membersFlush(now time.Time) {
	n := e.members.unanswered()
	for _, m := range e.members.list {
		if n >= maxUnanswered {
			return // the answers make room
		}
		if e.memberFlush(now, m) {
			n++
		}
	}
}

// membersUnreachable counts a hunt that found nobody as a failed attempt of every
// element that has something to say.
func (e *Endpoint) membersUnreachable() {
	for _, m := range slices.Clone(e.members.list) {
		switch m.state {
		case memberRegistering:
			e.memberFailed(m, ErrNoRegistrar)
		case memberDeregistering:
			m.failures++
			if m.failures > e.profile.MaxRegAttempts {
				e.deregistered(m, ErrNoRegistrar)
			}
		}
	}
}
