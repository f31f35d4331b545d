package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// askList asks a peer for its list.
func (r *Registrar) askList(p *peer) {
	p.listed, p.listDue = true, true
	r.tell(p, &enrp.ListRequest{Sender: r.id, Receiver: p.id})
}

// listRequest answers a LIST_REQUEST with the other peers (RFC 5353 §3.2.2.2). A
// registrar that is starting itself has no list to give.
func (r *Registrar) listRequest(c *conn, p *peer) {
	resp := &enrp.ListResponse{Sender: r.id, Receiver: p.id, Reject: r.phase == phaseStarting}
	if !resp.Reject {
		for _, o := range r.sortedPeers() {
			if o != p && o.info != nil && o.state == peerActive {
				resp.Servers = append(resp.Servers, *o.info)
			}
		}
	}
	r.send(c, resp)
}

// listResponse learns peers from a list. What is learned is only where to dial:
// a peer becomes one by introducing itself.
func (r *Registrar) listResponse(now time.Time, c *conn, p *peer, m *enrp.ListResponse) {
	if !p.listDue {
		r.stats.Dropped++ // nobody has asked
		return
	}
	p.listDue = false
	if r.phase == phaseStarting && r.mentors.current == p.id && r.mentors.listing {
		if m.Reject {
			r.mentorRejected(now, p)
			return
		}
		defer r.mentorListed(now, p)
	}
	if m.Reject {
		p.listed = false
		return
	}
	for i := range m.Servers {
		r.learn(now, c, &m.Servers[i])
	}
}

// believable is what the other side of c says of where a registrar is, as far as it may be
// dialed: addresses of this host only if they come from this host, and not any number
// of them.
func (r *Registrar) believable(c *conn, t rserpool.Transport) rserpool.Transport {
	t = t.Clone()
	local := slices.ContainsFunc(c.remote.Addrs, netip.Addr.IsLoopback)
	t.Addrs = slices.DeleteFunc(t.Addrs, func(a netip.Addr) bool { return !unicast(a) || a.IsLoopback() && !local })
	if n := r.limits.Addresses; n > 0 && len(t.Addrs) > n {
		t.Addrs = t.Addrs[:n]
	}
	return t
}

// learn dials a registrar that a list has named.
func (r *Registrar) learn(now time.Time, c *conn, s *rserpool.ServerInfo) {
	t := r.believable(c, s.Transport)
	if s.ID == 0 || s.ID == r.id || t.Port == 0 || len(t.Addrs) == 0 ||
		!r.mayDial(t.Addrs) || sameEndpoint(t, r.serverInfo(c).Transport) {
		return
	}
	if p := r.hearsay(now, s.ID); p != nil && p.conn == 0 && p.info == nil {
		r.tryAt(now, p, t)
	}
}

// hearsay is the peer of an identifier that somebody has named; nil if the list of peers
// is full.
func (r *Registrar) hearsay(now time.Time, id rserpool.RegistrarID) *peer {
	if p := r.peers[id]; p != nil {
		return p
	}
	return r.newPeer(now, id)
}

// tryAt dials a peer that is not connected where it is said to be.
func (r *Registrar) tryAt(now time.Time, p *peer, t rserpool.Transport) {
	for _, known := range r.targets {
		if sameEndpoint(known.at, t) {
			r.dialTarget(now, known)
			return
		}
	}
	if known := r.addTarget(t, false); known != nil {
		known.peer = p.id
		r.dialTarget(now, known)
	}
}
