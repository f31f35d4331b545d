package core

import (
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// Receive handles one message of a connection: the payload and its payload
// protocol identifier. A message with the identifier of the other protocol ends
// the connection, as rsplib's registrar does; other identifiers are ignored. What
// cannot be decoded is answered as RFC 5354 §3 and §4 say, by RFC 5352 §2.2.14 and
// RFC 5353 §3.7.
func (r *Registrar) Receive(now time.Time, id ConnID, ppid uint32, msg []byte) {
	c := r.links.byID[id]
	switch {
	case c == nil || !c.up:
		r.stats.Dropped++
	case ppid == c.channel.PPID():
		c.heard = now
		if c.channel == ASAP {
			r.receiveASAP(now, c, msg)
		} else {
			r.receiveENRP(now, c, msg)
		}
	case ppid == ASAP.PPID() || ppid == ENRP.PPID():
		r.stats.Dropped++
		r.abort(now, c, "payload protocol identifier of the other protocol")
	default:
		r.stats.Dropped++
	}
}

func (r *Registrar) receiveASAP(now time.Time, c *conn, msg []byte) {
	m, err := asap.Decode(msg)
	if err != nil {
		if causes := r.undecodable(err); len(causes) > 0 {
			r.send(c, &asap.Error{Causes: causes})
		}
		return
	}
	r.HandleASAP(now, c.id, m)
	if causes := m.ReportCauses(); len(causes) > 0 && c.up {
		r.send(c, &asap.Error{Causes: causes})
	}
}

func (r *Registrar) receiveENRP(now time.Time, c *conn, msg []byte) {
	m, err := enrp.Decode(msg)
	if err != nil {
		if causes := r.undecodable(err); len(causes) > 0 {
			r.send(c, &enrp.Error{Sender: r.id, Receiver: c.peer, Causes: causes})
		}
		return
	}
	r.HandleENRP(now, c.id, m)
	if causes := m.ReportCauses(); len(causes) > 0 && c.up {
		r.send(c, &enrp.Error{Sender: r.id, Receiver: m.From(), Causes: causes})
	}
}

// undecodable counts a message that could not be read and returns what to tell
// its sender.
func (r *Registrar) undecodable(err error) []rserpool.Cause {
	r.stats.DecodeErrors++
	if e, ok := err.(*rserpool.Error); ok {
		r.undecodableBy.count(e.Causes)
		return e.Causes
	}
	return nil
}

// HandleASAP handles a decoded message of an ASAP connection.
func (r *Registrar) HandleASAP(now time.Time, id ConnID, m asap.Message) {
	c := r.links.byID[id]
	if c == nil || !c.up || c.channel != ASAP {
		r.stats.Dropped++
		return
	}
	switch m := m.(type) {
	case *asap.Registration:
		r.register(now, c, m)
	case *asap.Deregistration:
		r.deregister(now, c, m)
	case *asap.HandleResolution:
		r.resolve(now, c, m)
	case *asap.EndpointKeepAliveAck:
		r.keepAliveAck(now, c, m)
	case *asap.EndpointUnreachable:
		r.unreachable(now, c, m)
	case *asap.Error:
		r.event(Event{Kind: EventRemoteError, Conn: c.id, Reason: rserpool.CausesString(m.Causes)})
	default:
		r.stats.Dropped++ // messages that registrars send, or elements and users exchange
	}
}

// HandleENRP handles a decoded message of an ENRP connection.
func (r *Registrar) HandleENRP(now time.Time, id ConnID, m enrp.Message) {
	c := r.links.byID[id]
	if c == nil || !c.up || c.channel != ENRP {
		r.stats.Dropped++
		return
	}
	if e, ok := m.(*enrp.Error); ok {
		// rsplib does not swap the identifiers in its errors, so they say nothing.
		r.event(Event{Kind: EventRemoteError, Conn: c.id, Registrar: c.peer, Reason: rserpool.CausesString(e.Causes)})
		return
	}
	switch from, to := m.From(), m.To(); {
	case from == 0, to != 0 && to != r.id && from != r.id:
		r.stats.Dropped++ // RFC 5353 §2.1: for another registrar, or from nobody
		return
	case from == r.id:
		r.ownIdentifier(now, c)
		return
	}
	p := r.bind(now, c, m)
	if p == nil {
		return
	}
	r.heard(now, p)
	if _, ok := m.(*enrp.Presence); !ok && p.info == nil && !p.greeted {
		p.greeted = true
		r.sendPresence(c, p.id, true) // RFC 5353 §3.4.1
	}
	r.dispatchENRP(now, c, p, m)
}

func (r *Registrar) dispatchENRP(now time.Time, c *conn, p *peer, m enrp.Message) {
	switch m := m.(type) {
	case *enrp.Presence:
		r.presence(now, c, p, m)
	case *enrp.HandleTableRequest:
		r.tableRequest(now, c, p, m)
	case *enrp.HandleTableResponse:
		r.tableResponse(now, c, p, m)
	case *enrp.HandleUpdate:
		r.update(now, p, m)
	case *enrp.ListRequest:
		r.listRequest(c, p)
	case *enrp.ListResponse:
		r.listResponse(now, c, p, m)
	case *enrp.InitTakeover:
		r.initTakeover(now, p, m.Target)
	case *enrp.InitTakeoverAck:
		r.initTakeoverAck(now, p, m.Target)
	case *enrp.TakeoverServer:
		r.takeoverServer(now, p, m.Target)
	}
}
