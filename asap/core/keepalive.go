package core

import (
	"errors"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// keepAlive handles an ASAP_ENDPOINT_KEEP_ALIVE, RFC 5352 §3.4.
func (e *Endpoint) keepAlive(now time.Time, l *link, m *asap.EndpointKeepAlive) {
	// KA1: "If the Pool Handle does not match, the PE MUST silently discard the
	// message." An element that has deregistered has no handle any more, or the
	// registrar would go on thinking that it serves. rsplib adds the identifier when it
	// means one element. Without it every element of that pool is meant.
	here := false
	for _, mb := range e.members.list {
		if !mb.present() || mb.reg.Handle != m.Handle || m.HasPEID && mb.reg.ID != m.PEID {
			continue
		}
		here = true
		e.send(l, &asap.EndpointKeepAliveAck{Handle: mb.reg.Handle, PEID: mb.reg.ID}) // KA2.3: same association
	}
	if !here {
		e.dropped(l.id, "keep-alive for another element")
		return
	}
	e.proved(l)
	l.idle = now.Add(e.idleTime())
	switch {
	case l == e.links.home:
		if l.server != m.Server {
			l.server = m.Server
			e.events.push(Event{Kind: EventHome, Link: l.id, Server: l.server, Registrar: l.at})
		}
	case m.Home:
		e.adoptByKeepAlive(now, l, m)
	default:
		l.server = m.Server
	}
}

// adoptByKeepAlive is KA2.4: the sender becomes the home registrar. It already
// owns the registration, so that nothing has to be sent again unless there is
// news.
func (e *Endpoint) adoptByKeepAlive(now time.Time, l *link, m *asap.EndpointKeepAlive) {
	if e.cfg.KnownOnly && !e.dir.has(l.at.Addrs) {
		e.dropped(l.id, "unknown registrar wants to be home")
		return
	}
	l.server = m.Server
	e.adopt(now, l, true)
}

// undecodable answers a message that cannot be read, RFC 5352 §2.2.14. The codec
// names no causes for an ASAP_ERROR: two confused endpoints must not report to
// each other for ever.
func (e *Endpoint) undecodable(l *link, err error) {
	e.dropped(l.id, err.Error())
	var de *rserpool.Error
	if errors.As(err, &de) && len(de.Causes) > 0 {
		e.send(l, &asap.Error{Causes: de.Causes})
	}
}

// remoteError handles an ASAP_ERROR. rsplib refuses a registration it cannot
// read or whose policy it does not know with it, in place of a response.
func (e *Endpoint) remoteError(now time.Time, l *link, m *asap.Error) {
	e.events.push(Event{Kind: EventRemoteError, Link: l.id, Server: l.server, Causes: m.Causes})
	// Messages are answered in the order in which they came.
	if mb := e.members.oldestRegistration(); mb != nil && len(e.requests.list) == 0 {
		e.registrationRefused(now, mb, m.Causes)
	}
}
