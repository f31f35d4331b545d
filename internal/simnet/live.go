package simnet

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// live is the part of a Network that carriers use: who is bound where, and the
// one timer that delivers. It stays empty in pure discrete-event runs.
type live struct {
	bound map[netip.AddrPort]*Carrier
	timer *time.Timer
	armed time.Time // when the timer will fire; zero if it is not running
}

// pump hands all packets that have arrived to the carriers and sets the timer for
// the next one. n.mu is held.
func (n *Network) pump(now time.Time) {
	for f := n.due(now); f != nil; f = n.due(now) {
		if f.icmp != nil {
			n.returned(f)
			continue
		}
		if !n.arrive(f) {
			continue
		}
		c := n.live.bound[f.pack.To]
		switch {
		case c == nil:
			n.note(now, Unbound, &f.pack)
			n.report(now, f, carrier.NoticePort, n.link(f.hop))
		case !c.queue.put(f.pack):
			n.note(now, Overflow, &f.pack)
		default:
			n.note(now, Delivered, &f.pack)
		}
	}
	n.arm(now)
}

// arm makes the timer fire when the next packet arrives. n.mu is held.
func (n *Network) arm(now time.Time) {
	when, ok := n.next()
	if !ok || !n.live.armed.IsZero() && !n.live.armed.After(when) {
		return
	}
	n.live.armed = when
	if n.live.timer == nil {
		n.live.timer = time.AfterFunc(when.Sub(now), n.fire)
		return
	}
	n.live.timer.Reset(when.Sub(now))
}

// fire is what the timer runs.
func (n *Network) fire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.live.armed = time.Time{}
	if len(n.live.bound) > 0 {
		n.pump(time.Now())
	}
}

// unbind takes the addresses of c away and stops the timer with the last carrier.
func (n *Network) unbind(c *Carrier) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a, owner := range n.live.bound {
		if owner == c {
			delete(n.live.bound, a)
		}
	}
	if len(n.live.bound) == 0 && n.live.timer != nil {
		n.live.timer.Stop()
		n.live.timer, n.live.armed = nil, time.Time{}
	}
}
