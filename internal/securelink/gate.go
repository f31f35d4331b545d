package securelink

import (
	"net/netip"
	"sync"

	"github.com/rserpool/rserpool/sctp"
)

// Gate bounds the handshakes under way with those who dialed: they cost memory and time
// before anybody has shown who he is.
type Gate struct {
	// Most is how many there may be, PerSource how many with one host, or one network of
	// IPv6 (64 bits), so that nobody takes all.
	Most, PerSource int

	mu  sync.Mutex
	all int
	by  map[netip.Prefix]int
}

// Enter counts a handshake, until leave is called, unless it is one too many. It may be
// called by several goroutines at once.
func (g *Gate) Enter(from netip.Addr) (leave func(), ok bool) {
	from = from.Unmap()
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	p, _ := from.WithZone("").Prefix(bits) // the zero one if the address is not valid
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.Most || g.by[p] >= g.PerSource {
		return nil, false
	}
	if g.by == nil {
		g.by = map[netip.Prefix]int{}
	}
	g.all++
	g.by[p]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		if g.by[p]--; g.by[p] == 0 {
			delete(g.by, p)
		}
	}, true
}

// Source is where an association's packets come from, not valid if it has ended.
func Source(a *sctp.Association) netip.Addr {
	if at, ok := a.RemoteAddr().(*sctp.Addr); ok && len(at.IPs) > 0 {
		return at.IPs[0]
	}
	return netip.Addr{}
}
