package path

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// paths is a set of active paths, each given as "local remote".
func paths(pairs ...[2]string) *Set {
	s := &Set{}
	for _, p := range pairs {
		local := netip.Addr{}
		if p[0] != "" {
			local = netip.MustParseAddr(p[0])
		}
		s.Add(netip.AddrPortFrom(netip.MustParseAddr(p[1]), 9899), local, Active, config())
	}
	return s
}

func TestCurrentLeavesPotentiallyFailedPaths(t *testing.T) { // RFC 7829 §3.2 rules 3, 4
	s := paths([2]string{"", "192.0.2.1"}, [2]string{"", "192.0.2.2"}, [2]string{"", "192.0.2.3"})
	all := s.All
	require.Same(t, all[0], s.Current())
	all[0].State, all[0].Errors = PotentiallyFailed, 1
	all[1].Errors = 1
	require.Same(t, all[2], s.Current(), "active, without errors")
	all[2].State, all[2].Errors = PotentiallyFailed, 2
	require.Same(t, all[1], s.Current(), "any active one is better than a potentially failed one")
	all[1].State, all[1].Errors = Inactive, 0
	require.Same(t, all[0], s.Current(), "4 i: the fewest errors")
	all[0].Errors = 3
	require.Same(t, all[2], s.Current())
	all[0].State, all[2].State = Inactive, Inactive
	all[1].Errors = 9
	require.Same(t, all[2], s.Current(), "§4.1 rule 3: dormant")
	all[2].State = Unconfirmed
	require.Same(t, all[0], s.Current(), "RFC 9260 §5.4: never an unconfirmed one")
	require.Equal(t, 3, all[0].Errors, "§4.1 rule 2: the choice changes nothing")
	require.Equal(t, Inactive, all[0].State)
}

func TestAlternateIsTheMostDivergentPair(t *testing.T) { // RFC 9260 §6.4.1
	s := paths([2]string{"10.0.1.1", "192.0.2.1"}, [2]string{"10.0.1.1", "192.0.2.2"}, [2]string{"10.0.1.1", "198.51.100.1"},
		[2]string{"10.0.2.1", "192.0.2.3"}, [2]string{"2001:db8::1", "2001:db8::2"})
	all := s.All
	require.Same(t, all[4], s.Alternate(all[0]), "another family, another source")
	all[4].State = Inactive
	require.Same(t, all[3], s.Alternate(all[0]), "another source")
	all[3].Errors = 1
	require.Same(t, all[2], s.Alternate(all[0]), "fewer errors; then the more distant destination")
	all[2].State, all[3].State = PotentiallyFailed, PotentiallyFailed
	require.Same(t, all[1], s.Alternate(all[0]))
	all[1].State = Unconfirmed
	require.Same(t, all[0], s.Alternate(all[0]), "there is no other active one")
	all[0].State, all[0].Errors = PotentiallyFailed, 2
	all[2].Errors = 2
	require.Same(t, all[3], s.Alternate(all[0]), "RFC 7829 §3.2 rule 4 i")
	all[3].Errors = 2
	require.Same(t, all[3], s.Alternate(all[0]), "4 ii: the most divergent")
	all[2].Errors, all[3].Errors = 5, 5
	require.Same(t, all[0], s.Alternate(all[0]), "it may be the same")
}

func TestErrorsMakeStates(t *testing.T) { // RFC 9260 §8.2, RFC 7829 §3.2
	p := paths([2]string{"", "192.0.2.1"}).All[0]
	p.Settings = Settings{MaxRetrans: 2, PF: true, PFMaxRetrans: 1}
	require.Equal(t, Active, p.Fail(), "1")
	require.Equal(t, PotentiallyFailed, p.Fail(), "rule 2: above PFMR")
	p.State = PotentiallyFailed
	require.False(t, p.Unreachable())
	require.Equal(t, Inactive, p.Fail(), "rule 8: above Path.Max.Retrans")
	p.State = Inactive
	require.True(t, p.Unreachable())
	for range 100 {
		require.Equal(t, Inactive, p.Fail())
	}
	require.Equal(t, 30, p.Errors, "§4.1 rule 3: an order of magnitude above")

	p = paths([2]string{"", "192.0.2.1"}).All[0]
	p.Settings = Settings{MaxRetrans: 1, PF: true, PFMaxRetrans: 1}
	require.Equal(t, Active, p.Fail())
	require.Equal(t, Inactive, p.Fail(), "rule 1: PFMR not below Path.Max.Retrans has no effect")
	p = paths([2]string{"", "192.0.2.1"}).All[0]
	p.Settings = Settings{MaxRetrans: 1}
	p.State = Unconfirmed
	for range 5 {
		require.Equal(t, Unconfirmed, p.Fail(), "RFC 9260 §5.4")
	}
	require.True(t, p.Unreachable())
}
