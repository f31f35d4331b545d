package core

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Conn describes an association to the Registrar.
type Conn struct {
	Channel Channel
	// Remote is the other side: all its addresses, the one that packets come from
	// first, its SCTP port and its UDP encapsulation port. If its Protocol is ProtoTCP, it
	// can only be a user (RFC 5352 §2.1).
	Remote rserpool.Transport
	// Local are the addresses of this side; they are told to peers.
	Local []netip.Addr
	// Confirmed, if not nil, returns those of Remote's addresses that the other side has
	// shown to have (RFC 9260 §5.4), the first one at least: anybody can say in an
	// INIT that an address is his. Only these count where it matters who somebody is. It
	// is called during inputs.
	Confirmed func() []netip.Addr
	// Authenticated says that the other side has proved, by TLS, that it may take part.
	Authenticated bool
	// RTT, if not nil, measures the smoothed round-trip time; 0 if it is not known yet.
	// It is called during inputs, for pools whose policy goes by distance.
	RTT func() time.Duration
}

// conn is one connection.
type conn struct {
	id      ConnID
	channel Channel
	remote  rserpool.Transport
	local   []netip.Addr
	rtt     func() time.Duration
	shown   func() []netip.Addr // Conn.Confirmed
	source  netip.Addr          // if it was accepted
	proven  bool                // Conn.Authenticated
	tcp     bool                // no element or registrar is there
	dialed  bool
	up      bool
	heard   time.Time // last message
	asked   time.Time // last keep-alive
	unheard int       // keep-alives since, or so, that were not acknowledged yet

	// ENRP
	target *target              // dialed for
	peer   rserpool.RegistrarID // who speaks there; 0 not heard yet
	serve  *download            // handle table being fetched by the peer

	// ASAP
	dialKey endpoint          // where it is dialed
	waiting []handlespace.Key // elements it is dialed for
	held    residents         // elements that live on it
	subs    map[rserpool.PoolHandle]struct{}
}

// links is the table of connections.
type links struct {
	byID   map[ConnID]*conn
	last   ConnID
	source map[netip.Addr]int    // accepted ones, by where they come from
	enrp   []*conn               // in the order of their numbers
	asap   map[endpoint][]ConnID // by the remote endpoint
}

func newLinks() links {
	return links{byID: make(map[ConnID]*conn), source: make(map[netip.Addr]int), asap: make(map[endpoint][]ConnID)}
}

// confirmed is the other side with the addresses that it has shown to have.
func (c *conn) confirmed() rserpool.Transport {
	t := c.remote
	if c.shown != nil {
		t.Addrs = slices.DeleteFunc(c.shown(), func(a netip.Addr) bool { return !slices.Contains(c.remote.Addrs, a) })
		if len(t.Addrs) == 0 {
			t.Addrs = c.remote.Addrs[:min(1, len(c.remote.Addrs))] // the association has just ended
		}
	}
	return t
}

// endpoint is what identifies the other side of an association: its first
// address and its ports.
type endpoint struct {
	addr    netip.Addr
	port    uint16
	udpPort uint16
}

func endpointOf(t rserpool.Transport) endpoint {
	e := endpoint{port: t.Port, udpPort: udpPort(t)}
	if len(t.Addrs) > 0 {
		e.addr = t.Addrs[0]
	}
	return e
}

// udpPort is the encapsulation port, given or not.
func udpPort(t rserpool.Transport) uint16 {
	if t.UDPPort == 0 {
		return rserpool.DefaultUDPPort
	}
	return t.UDPPort
}

// overlap reports whether the lists have an address in common.
func overlap(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(x netip.Addr) bool { return slices.Contains(b, x) })
}

// sameEndpoint reports whether a and b lead to the same SCTP endpoint.
func sameEndpoint(a, b rserpool.Transport) bool {
	return a.Port == b.Port && udpPort(a) == udpPort(b) && overlap(a.Addrs, b.Addrs)
}

func (l *links) add(channel Channel, remote rserpool.Transport) *conn {
	l.last++
	c := &conn{id: l.last, channel: channel, remote: remote}
	l.byID[c.id] = c
	if channel == ENRP {
		l.enrp = append(l.enrp, c)
	}
	return c
}

// ready makes c usable: its remote side is known.
func (l *links) ready(c *conn, d Conn) {
	c.up = true
	c.remote = d.Remote.Clone()
	c.tcp = c.remote.Protocol == rserpool.ProtoTCP
	c.remote.Protocol = rserpool.ProtoSCTP
	c.remote.Use = rserpool.UseData
	c.local, c.rtt, c.shown, c.proven = slices.Clone(d.Local), d.RTT, d.Confirmed, d.Authenticated
	if c.channel == ASAP && !c.tcp {
		e := endpointOf(c.remote)
		l.asap[e] = append(l.asap[e], c.id)
	}
}

func (l *links) remove(c *conn) {
	delete(l.byID, c.id)
	if c.source.IsValid() {
		if l.source[c.source]--; l.source[c.source] <= 0 {
			delete(l.source, c.source)
		}
	}
	if c.channel == ENRP {
		l.enrp = slices.DeleteFunc(l.enrp, func(o *conn) bool { return o == c })
		return
	}
	if c.tcp {
		return
	}
	e := endpointOf(c.remote)
	l.asap[e] = slices.DeleteFunc(l.asap[e], func(id ConnID) bool { return id == c.id })
	if len(l.asap[e]) == 0 {
		delete(l.asap, e)
	}
}

// elementConn returns the connection that is up to an element's ASAP endpoint,
// nil if there is none.
func (l *links) elementConn(t rserpool.Transport) *conn {
	if ids := l.asap[endpointOf(t)]; len(ids) > 0 {
		return l.byID[ids[len(ids)-1]]
	}
	return nil
}

// Accept announces an association that somebody opened and returns its number.
// Where it is not wanted an Abort action follows.
func (r *Registrar) Accept(now time.Time, d Conn) ConnID {
	c := r.links.add(d.Channel, d.Remote)
	r.links.ready(c, d)
	c.source = r.sourceOf(c)
	r.links.source[c.source]++
	switch {
	case r.crowded(c):
		r.stats.Refused++
		r.abort(now, c, "too many connections")
	case d.Channel == ENRP && !r.mayJoin(c):
		r.stats.Refused++
		r.event(Event{Kind: EventRefused, Conn: c.id, Reason: "unknown registrar at " + c.remote.String()})
		r.abort(now, c, "not a configured peer")
	case d.Channel == ENRP:
		r.peerConnected(now, c)
	}
	return c.id
}

// crowded reports whether c is one too many, in all or from its source. The two
// channels do not take each other's room, so that a flood of users does not keep the
// registrars apart.
func (r *Registrar) crowded(c *conn) bool {
	if r.links.source[c.source] > r.limits.ConnectionsPerSource {
		return true
	}
	if c.channel == ENRP {
		return len(r.links.enrp) > connsPerPeer*min(r.limits.Peers, math.MaxInt/connsPerPeer)
	}
	return len(r.links.byID)-len(r.links.enrp) > r.limits.Connections
}

// connsPerPeer is how many ENRP connections there may be for each peer: both sides
// dial, and leftovers live until they time out.
const connsPerPeer = 4

// Connected says that the association of a Dial action is established.
func (r *Registrar) Connected(now time.Time, id ConnID, d Conn) {
	c := r.links.byID[id]
	if c == nil || c.up {
		return
	}
	r.links.ready(c, d)
	if c.channel == ENRP {
		r.peerConnected(now, c)
	} else {
		r.elementConnected(now, c)
	}
}

// Lost says that a connection has ended, or could not be opened. reason is for
// people; it may be empty.
func (r *Registrar) Lost(now time.Time, id ConnID, reason string) {
	if c := r.links.byID[id]; c != nil {
		r.forget(now, c, reason)
	}
}

func (r *Registrar) abort(now time.Time, c *conn, reason string) {
	r.actions.push(Action{Kind: Abort, Conn: c.id, Channel: c.channel, Reason: reason})
	r.forget(now, c, reason)
}

func (r *Registrar) shut(now time.Time, c *conn) {
	r.actions.push(Action{Kind: Close, Conn: c.id, Channel: c.channel})
	r.forget(now, c, "closed")
}

// retire closes a connection with a peer that there is another one with, unless
// that one has ended meanwhile.
func (r *Registrar) retire(now time.Time, id ConnID) {
	c := r.links.byID[id]
	if c == nil {
		return
	}
	if p := r.peers[c.peer]; p != nil && p.conn == c.id {
		return
	}
	r.shut(now, c)
}

// forget takes a connection that has ended out of all tables and lets those that
// relied on it know.
func (r *Registrar) forget(now time.Time, c *conn, reason string) {
	wasUp := c.up
	c.up = false
	r.links.remove(c)
	if c.channel == ENRP {
		r.timers.stop(timerKey{kind: timerServe, id: uint64(c.id)})
		r.timers.stop(timerKey{kind: timerRetire, id: uint64(c.id)})
		r.peerConnLost(now, c, wasUp, reason)
		return
	}
	for h := range c.subs {
		r.unsubscribe(c, h)
	}
	r.elementConnLost(now, c, wasUp)
}
