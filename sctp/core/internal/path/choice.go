package path

import (
	"math/bits"
	"net/netip"
)

// Current is the path for new data (RFC 9260 §6.4): the primary while it is active,
// else the best of the others. So data leaves a path that is inactive (§6.4.1, §8.2)
// or potentially failed (RFC 7829 §3.2 rule 3 i) and comes back to the primary with
// its first sign of life.
func (s *Set) Current() *Path {
	p := s.Primary()
	if p == nil || p.State == Active {
		return p
	}
	if q := s.best(p, nil); q != nil {
		return q
	}
	return p
}

// Alternate is the path for data that timed out on p: another active one, if there
// is one (RFC 9260 §6.4), else the best of all, which may be p.
func (s *Set) Alternate(p *Path) *Path {
	if q := s.best(p, p); q != nil && q.State == Active {
		return q
	}
	if p.State == Active {
		return p
	}
	if q := s.best(p, nil); q != nil {
		return q
	}
	return p
}

// best is the best confirmed path but not, if failed data must leave from; nil if
// there is none. Active paths are better than potentially failed ones, and those
// better than inactive ones, of which one is used nonetheless if there is nothing
// else (RFC 7829 §3.2 rule 4, §4.1). Among equals fewer errors are better, then what
// is most divergent from the path that data moves away from (RFC 9260 §6.4.1), then
// what comes next in the list.
func (s *Set) best(from, not *Path) *Path {
	var best *Path
	for i := range s.All {
		q := s.All[(from.ID+1+i)%len(s.All)]
		if q == not || q.State == Unconfirmed {
			continue
		}
		if best == nil || better(q, best, from) {
			best = q
		}
	}
	return best
}

func better(a, b, from *Path) bool {
	switch ra, rb := rank(a.State), rank(b.State); {
	case ra != rb:
		return ra < rb
	case a.Errors != b.Errors:
		return a.Errors < b.Errors
	}
	return divergence(a, from) > divergence(b, from)
}

func rank(s State) int {
	switch s {
	case Active:
		return 0
	case PotentiallyFailed:
		return 1
	}
	return 2
}

// divergence is how little two source-destination pairs have in common: first
// whether they leave from different addresses, then how early the destinations
// differ. The standard leaves the rule to implementations (RFC 9260 §6.4.1).
func divergence(p, q *Path) int {
	n := 128 - CommonBits(p.Remote.Addr(), q.Remote.Addr())
	if p.Local != q.Local && p != q {
		n += 256
	}
	return n
}

// CommonBits is the length of the longest prefix that two addresses share, counted
// in IPv6 addresses.
func CommonBits(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return 8*i + bits.LeadingZeros8(d)
		}
	}
	return 128
}
