package path

import "net/netip"

// MaxPaths bounds the paths of an association: those its user names and those its
// peer lists.
const MaxPaths = 32

// Set is the paths of one association and the choice between them.
type Set struct {
	All     []*Path
	primary int
}

// Primary is the path that new data takes by default (RFC 9260 §6.4), nil if the
// set is empty.
func (s *Set) Primary() *Path {
	if len(s.All) == 0 {
		return nil
	}
	return s.All[s.primary]
}

// SetPrimary makes the path with this id the primary one.
func (s *Set) SetPrimary(id int) {
	if id >= 0 && id < len(s.All) {
		s.primary = id
	}
}

// Add appends a path for a new destination, unless there are MaxPaths already.
func (s *Set) Add(remote netip.AddrPort, local netip.Addr, state State, c *Config) {
	if len(s.All) < MaxPaths {
		s.All = append(s.All, New(len(s.All), remote, local, state, c))
	}
}

// Retain keeps the paths for which keep is true, at least one, and numbers them anew.
// The primary path, if it goes, becomes the first one.
func (s *Set) Retain(keep func(*Path) bool) {
	primary, kept := s.Primary(), s.All[:0]
	s.primary = 0
	for _, p := range s.All {
		if !keep(p) {
			continue
		}
		if p == primary {
			s.primary = len(kept)
		}
		p.ID = len(kept)
		kept = append(kept, p)
	}
	clear(s.All[len(kept):])
	s.All = kept
}

// Find returns the path to an IP address, whatever its UDP port, or nil.
func (s *Set) Find(a netip.Addr) *Path {
	for _, p := range s.All {
		if p.Remote.Addr() == a {
			return p
		}
	}
	return nil
}

// MinSize is the packet size that fits all paths, so that a fragment can be
// retransmitted on any of them (AMDCS of RFC 9260 §6.9, §7.3). A path whose size is
// not discovered yet, because it is not even verified, does not count.
func (s *Set) MinSize() int {
	n := 1 << 16
	for _, p := range s.All {
		if p.State != Unconfirmed || !p.Discovery.on {
			n = min(n, p.Size)
		}
	}
	return n
}
