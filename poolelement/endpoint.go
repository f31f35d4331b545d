package poolelement

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Endpoint is an ASAP endpoint (RFC 5352 §1.1) that the elements of a program share: one
// SCTP stack and UDP port, one hunt for registrars, one association with the home
// registrar of all of them. Elements use it by Config.Endpoint; otherwise each has one of
// its own. It holds at most core.MaxMembers elements.
type Endpoint struct {
	cfg      *setup
	stack    *sctp.Stack
	ownStack bool
	agent    *asaplink.Agent

	mu      sync.Mutex // after the agent's lock and that of a membership
	members map[memberKey]*membership
	home    State // Home and Registrar only
}

// memberKey names an element among those of an endpoint.
type memberKey struct {
	handle rserpool.PoolHandle
	id     rserpool.PEID
}

// NewEndpoint returns an Endpoint, which must be closed after its elements. Of cfg only
// what is not about a single element matters: Registrars, Discover with its groups,
// Listen without its SCTP port, ASAPPort, Profile, KnownRegistrarsOnly, Stack and Logger.
// It contacts a registrar when its first element registers. ctx bounds the look-up of
// registrars that are given by name.
func NewEndpoint(ctx context.Context, cfg *Config) (*Endpoint, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	if cfg.Endpoint != nil {
		return nil, errors.New("poolelement: an Endpoint is not of another one")
	}
	s, err := cfg.resolve(ctx)
	if err != nil {
		return nil, err
	}
	return openEndpoint(s, cfg)
}

// openEndpoint opens the stack and starts the agent.
func openEndpoint(s *setup, cfg *Config) (*Endpoint, error) {
	ep := &Endpoint{cfg: s, stack: cfg.Stack, members: make(map[memberKey]*membership)}
	var err error
	if ep.stack == nil {
		ep.stack, err = sctp.NewStack(&sctp.StackConfig{
			ListenAddrs: specific(s.listen.IPs), UDPPort: s.listen.UDPPort, Logger: s.log,
		})
		if err != nil {
			return nil, err
		}
		ep.ownStack = true
	}
	ep.agent, err = asaplink.Start(&asaplink.Config{
		Core: core.Config{
			Profile: s.profile, Registrars: s.registrars, KnownOnly: cfg.KnownRegistrarsOnly,
		},
		Stack: ep.stack, Listen: true, Port: cfg.ASAPPort, OnEvent: ep.onEvent, Announcements: s.announced, TLS: cfg.TLS, Logger: s.log,
	})
	if err != nil {
		_ = ep.Close() // nothing lives on it
		return nil, err
	}
	return ep, nil
}

// SetTLS replaces Config.TLS for handshakes that begin from now on, for example because a
// certificate is about to expire; the association with the home registrar stays. TLS cannot
// be turned on or off by it: that is an error, and so is what Config.TLS could not be.
// Nothing has changed then.
func (ep *Endpoint) SetTLS(c *tls.Config) error { return ep.agent.SetTLS(c) }

// ASAPPort returns the SCTP port of the ASAP endpoint.
func (ep *Endpoint) ASAPPort() uint16 { return ep.agent.Port() }

// Stack returns the SCTP stack that carries everything.
func (ep *Endpoint) Stack() *sctp.Stack { return ep.stack }

// Close ends the association with the home registrar, from which that concludes that
// elements which have not left are gone. Close them first. It is idempotent.
func (ep *Endpoint) Close() error {
	if ep.agent != nil {
		ep.agent.Close()
	}
	if ep.ownStack {
		return ep.stack.Close()
	}
	return nil
}

// register tells the endpoint about an element, or about a change of it, and returns
// its identifier. The caller has the agent's lock and that of m.
func (ep *Endpoint) register(now time.Time, e *core.Endpoint, m *membership) (rserpool.PEID, error) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if other := ep.members[memberKey{m.handle, m.id}]; other != nil && other != m {
		return m.id, fmt.Errorf("poolelement: element %v of %s is at this endpoint already", m.id, m.handle)
	}
	id, err := e.Register(now, core.Registration{Handle: m.handle, ID: m.id, User: m.user, Policy: m.policy, Life: m.life})
	if err != nil {
		return m.id, err
	}
	key := memberKey{m.handle, id}
	if ep.members[key] == nil {
		ep.members[key] = m
		m.state.Home, m.state.Registrar = ep.home.Home, ep.home.Registrar
	}
	return id, nil
}

// has reports whether m is the element of its name here. The caller has m's lock.
func (ep *Endpoint) has(m *membership) bool {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.members[memberKey{m.handle, m.id}] == m
}

// forget drops an element: events are not passed to it any more. The caller has m's lock.
func (ep *Endpoint) forget(m *membership) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if key := (memberKey{m.handle, m.id}); ep.members[key] == m {
		delete(ep.members, key)
	}
}

// onEvent passes events to the elements that they are about. It runs under the agent's
// lock.
func (ep *Endpoint) onEvent(ev core.Event) {
	for _, m := range ep.concerned(ev) {
		m.onEvent(ev)
	}
}

// concerned returns the elements that an event is about.
func (ep *Endpoint) concerned(ev core.Event) []*membership {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	switch ev.Kind {
	case core.EventHome:
		ep.home = State{Home: ev.Server, Registrar: ev.Registrar}
	case core.EventHomeLost:
		ep.home = State{}
	default:
		if m := ep.members[memberKey{ev.Handle, ev.PEID}]; m != nil {
			return []*membership{m}
		}
		return nil
	}
	all := make([]*membership, 0, len(ep.members))
	for _, m := range ep.members {
		all = append(all, m)
	}
	return all
}
