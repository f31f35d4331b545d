package poolelement

import (
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Info is an element at one instant: what RFC 5525 has in rserpoolPETable, and what has
// happened since it began.
type Info struct {
	Handle    rserpool.PoolHandle
	ID        rserpool.PEID
	Since     time.Time // when it began
	ASAPPort  uint16
	Transport rserpool.Transport // without addresses if that is left to the registrar
	Policy    rserpool.Policy
	Life      time.Duration // of a registration; negative: for ever
	State     State

	Sessions int // now; 0 for a Member
	// All that follows only grows.
	SessionsAccepted     uint64
	RegistrationsAllowed uint64 // accepted by a registrar, re-registrations included
	RegistrationsFailed  uint64 // refused, or not answered
	HomesLost            uint64 // associations with home registrars that ended
	CookiesSent          uint64
	CookieBytesSent      uint64
	CookiesEchoed        uint64 // by users that come from another element
}

// counters is what an element counts.
type counters struct {
	since                                                      time.Time
	sessions, registered, failed, lost, cookies, bytes, echoed atomic.Uint64
}

// Info returns what the element is and has done.
func (m *membership) Info() Info {
	c := &m.count
	i := Info{
		Handle: m.handle, Since: c.since, ASAPPort: m.ep.ASAPPort(), Transport: m.user.Clone(),
		SessionsAccepted: c.sessions.Load(), RegistrationsAllowed: c.registered.Load(), RegistrationsFailed: c.failed.Load(),
		HomesLost: c.lost.Load(), CookiesSent: c.cookies.Load(), CookieBytesSent: c.bytes.Load(), CookiesEchoed: c.echoed.Load(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i.ID, i.Policy, i.State, i.Life = m.id, m.policy, m.state, m.life
	if i.Life == 0 {
		i.Life = m.cfg.profile.Life
	}
	return i
}

// Info returns what the element is and has done.
func (pe *PoolElement) Info() Info {
	i := pe.membership.Info()
	i.Sessions = pe.Sessions()
	return i
}
