package sctp

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// demux leads a packet to its association or listener.
//
// The verification tag is looked at first: our own tags are unique in the stack,
// and it is the only thing that stays when the peer's addresses or its NAT
// change (RFC 6951 §5.4). The tuple of addresses and ports finds the packets
// that carry another tag: INIT, the COOKIE ECHO of a restarted peer, chunks with
// the T bit (RFC 9260 §8.5.1), and forgeries, which the association then drops.
//
// Peers are told apart by IP address, UDP port and SCTP port, so that processes
// on one host that use the same SCTP port in stacks of their own are different
// peers.
type demux struct {
	mu        sync.RWMutex
	max       int
	closed    bool
	byTag     map[wire.VTag]*Association
	byTuple   map[tuple]*Association
	claims    map[tuple]*Association // addresses that a peer says it has and that are not verified
	listeners map[uint16]*Listener
	ports     map[uint16]int // local SCTP ports of associations and their number
	pending   int            // associations that have no tag yet
	shared    *sharedPorts   // nil: all SCTP ports are ours
}

// tuple identifies a path of an association from outside.
type tuple struct {
	remote              netip.AddrPort // IP address and UDP port
	remotePort, ourPort uint16         // SCTP ports
}

func (d *demux) init(max int) {
	d.max = max
	d.byTag = make(map[wire.VTag]*Association)
	d.byTuple = make(map[tuple]*Association)
	d.claims = make(map[tuple]*Association)
	d.listeners = make(map[uint16]*Listener)
	d.ports = make(map[uint16]int)
}

// find returns the association of a packet, nil if there is none. The caller
// holds mu, at least for reading.
func (d *demux) find(h *wire.Header, remote netip.AddrPort) *Association {
	if a := d.byTag[h.VTag]; a != nil && a.named(h) {
		return a
	}
	return d.byTuple[tuple{remote, h.SrcPort, h.DstPort}]
}

// named says whether a header has the tag and the ports of a. The caller holds
// demux.mu.
func (a *Association) named(h *wire.Header) bool {
	return h.VTag == a.tag && h.VTag != 0 && a.ourPort == h.DstPort && a.peerPort == h.SrcPort
}

// lookup is find for one packet.
func (d *demux) lookup(h *wire.Header, remote netip.AddrPort) *Association {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.find(h, remote)
}

// claimed returns the association whose peer says that it has the address remote. What
// it says is worth no more than to find whose HEARTBEAT an answer with the T bit is
// about: who owns the address can open an association all the same (RFC 5062 §2).
func (d *demux) claimed(h *wire.Header, remote netip.AddrPort) *Association {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.claims[tuple{remote, h.SrcPort, h.DstPort}]
}

// listing returns the association of one of the addresses that an INIT lists (RFC 9260
// §5.1.2 D).
func (d *demux) listing(in core.Inbound, pkt wire.Packet) *Association {
	return d.one(core.ListedAddrs(in, pkt), pkt.SrcPort, pkt.DstPort)
}

// one returns the association of one of some addresses, verified ones, of a peer.
func (d *demux) one(peers []netip.AddrPort, peerPort, ourPort uint16) *Association {
	if len(peers) == 0 {
		return nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range peers {
		if a := d.byTuple[tuple{p, peerPort, ourPort}]; a != nil {
			return a
		}
	}
	return nil
}

// listener returns who listens on an SCTP port and the local address, if known.
func (d *demux) listener(port uint16, local netip.Addr) *Listener {
	d.mu.RLock()
	defer d.mu.RUnlock()
	l := d.listeners[port]
	if l != nil && local.IsValid() && len(l.ips) > 0 && !slices.Contains(l.ips, local) {
		return nil
	}
	return l
}

// reserve enters an association that is about to be dialed under the tuples of
// its peer and gives it a local port, if it has none.
func (d *demux) reserve(a *Association, peers []netip.AddrPort) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return net.ErrClosed
	case len(d.byTag)+d.pending >= d.max:
		return ErrTooManyAssociations
	}
	if a.ourPort == 0 {
		port, ok := d.freePort(func(port uint16) bool { return d.tuplesFree(peers, a.peerPort, port) })
		if !ok {
			return ErrNoPort
		}
		a.ourPort = port
	} else if !d.tuplesFree(peers, a.peerPort, a.ourPort) {
		return ErrAssociationExists
	}
	d.pending++
	d.ports[a.ourPort]++
	d.shared.use(a.ourPort)
	d.addTuples(a, peers, peers)
	return nil
}

// activate enters a reserved association under its tag. False: the tag is taken.
func (d *demux) activate(a *Association, tag wire.VTag) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed: // since reserve
		return false, net.ErrClosed
	case d.byTag[tag] != nil:
		return false, nil
	}
	d.pending--
	d.byTag[tag], a.tag = a, tag
	return true, nil
}

// enter adds an association that came in through a listener. It can fail: the
// tag was chosen when the INIT ACK was sent, without keeping state.
func (d *demux) enter(a *Association, tag wire.VTag, peers, claims []netip.AddrPort) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	// The first path decides whether this peer is known. Its other addresses are
	// only claims.
	if d.closed || len(d.byTag)+d.pending >= d.max || d.byTag[tag] != nil || !d.tuplesFree(peers[:1], a.peerPort, a.ourPort) {
		return false
	}
	d.byTag[tag], a.tag = a, tag
	d.ports[a.ourPort]++
	d.addTuples(a, peers, claims)
	return true
}

// rekey follows a restart, which changes our tag, and a change of the peer's
// addresses or UDP ports; peers is the verified ones, claims all. The caller holds
// a.mu.
func (d *demux) rekey(a *Association, tag wire.VTag, peers, claims []netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if tag != a.tag && d.byTag[tag] == nil {
		delete(d.byTag, a.tag)
		d.byTag[tag], a.tag = a, tag
	}
	d.removeTuples(a)
	d.addTuples(a, peers, claims)
}

// remove takes an association out of all tables.
func (d *demux) remove(a *Association) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.tag == 0 {
		d.pending--
	} else if d.byTag[a.tag] == a {
		delete(d.byTag, a.tag)
	}
	d.removeTuples(a)
	if d.ports[a.ourPort]--; d.ports[a.ourPort] <= 0 {
		delete(d.ports, a.ourPort)
	}
}

// addTuples enters the tuples that nobody else has: an association cannot take the
// addresses of another one (RFC 5062 §2, address camping).
func (d *demux) addTuples(a *Association, peers, claims []netip.AddrPort) {
	for _, p := range peers {
		t := tuple{p, a.peerPort, a.ourPort}
		if d.byTuple[t] == nil {
			d.byTuple[t] = a
			a.tuples = append(a.tuples, t)
		}
	}
	for _, p := range claims {
		t := tuple{p, a.peerPort, a.ourPort}
		if slices.Contains(a.tuples, t) {
			continue
		}
		a.claims = append(a.claims, t)
		if d.claims[t] == nil && d.byTuple[t] == nil {
			d.claims[t] = a
		}
	}
}

func (d *demux) removeTuples(a *Association) {
	for _, t := range a.tuples {
		delete(d.byTuple, t)
	}
	for _, t := range a.claims {
		if d.claims[t] == a {
			delete(d.claims, t)
		}
	}
	a.tuples, a.claims = a.tuples[:0], a.claims[:0]
}

func (d *demux) tuplesFree(peers []netip.AddrPort, peerPort, ourPort uint16) bool {
	for _, p := range peers {
		if d.byTuple[tuple{p, peerPort, ourPort}] != nil {
			return false
		}
	}
	return true
}

// listen enters a listener and gives it a port, if it has none.
func (d *demux) listen(l *Listener) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	if l.port == 0 {
		port, ok := d.freePort(func(uint16) bool { return true })
		if !ok {
			return ErrNoPort
		}
		l.port = port
	}
	if d.listeners[l.port] != nil {
		return ErrPortInUse
	}
	d.listeners[l.port] = l
	d.shared.use(l.port)
	return nil
}

func (d *demux) unlisten(l *Listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listeners[l.port] == l {
		delete(d.listeners, l.port)
	}
}

// full reports whether no further association may come in.
func (d *demux) full() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.closed || len(d.byTag)+d.pending >= d.max
}

func (d *demux) size() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.byTag) + d.pending
}

func (d *demux) isClosed() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.closed
}

// all returns who is there.
func (d *demux) all() ([]*Listener, []*Association) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.present()
}

// present is all. The caller holds mu.
func (d *demux) present() (ls []*Listener, as []*Association) {
	for _, l := range d.listeners {
		ls = append(ls, l)
	}
	for _, a := range d.byTag {
		as = append(as, a)
	}
	return ls, as
}

// close refuses newcomers from now on and returns who is there.
func (d *demux) close() ([]*Listener, []*Association) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return d.present()
}

// closeIfEmpty closes the tables if nothing is in them.
func (d *demux) closeIfEmpty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.byTag)+d.pending+len(d.listeners) > 0 {
		return false
	}
	d.closed = true
	return true
}
