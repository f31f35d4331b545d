package handlespace_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// t0 is some time; the Space has no clock of its own.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// element returns a valid RoundRobin element.
func element(id rserpool.PEID, home rserpool.RegistrarID) rserpool.PoolElement {
	return rserpool.PoolElement{
		ID:     id,
		Home:   home,
		Life:   60_000,
		User:   transport("192.0.2.1"),
		Policy: rserpool.Policy{Type: rserpool.RoundRobin},
	}
}

func transport(addrs ...string) rserpool.Transport {
	t := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777}
	for _, a := range addrs {
		t.Addrs = append(t.Addrs, netip.MustParseAddr(a))
	}
	return t
}

// register registers pe, which must work.
func register(t testing.TB, s *handlespace.Space, h rserpool.PoolHandle, pe rserpool.PoolElement) handlespace.Change {
	t.Helper()
	c, err := s.Register(t0, h, pe)
	require.NoError(t, err)
	return c
}

// ids returns the identifiers of elements.
func ids[E any](els []E, id func(E) rserpool.PEID) []rserpool.PEID {
	var out []rserpool.PEID
	for _, e := range els {
		out = append(out, id(e))
	}
	return out
}

func stored(els []handlespace.Element) []rserpool.PEID {
	return ids(els, func(e handlespace.Element) rserpool.PEID { return e.ID })
}

func selected(els []rserpool.PoolElement) []rserpool.PEID {
	return ids(els, func(e rserpool.PoolElement) rserpool.PEID { return e.ID })
}

// RFC 5352 §3.1 rules 1 to 4.
func TestRegistrationAddsUpdatesAndRefreshes(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	a := element(1, 10)
	c := register(t, s, "echo", a)
	require.Equal(t, handlespace.Added, c.Kind)
	require.Equal(t, a, c.New.PoolElement)
	require.Equal(t, handlespace.Key{Handle: "echo", ID: 1}, c.New.Key())
	require.Zero(t, c.Old)
	require.False(t, c.OwnerChanged())
	pools, elements := s.Len()
	require.Equal(t, []int{1, 1}, []int{pools, elements})

	c, err := s.Register(t0.Add(time.Minute), "echo", a)
	require.NoError(t, err)
	require.Equal(t, handlespace.Refreshed, c.Kind)
	require.Equal(t, t0, c.New.Registered)
	require.Equal(t, t0.Add(time.Minute), c.New.Updated)

	b := a
	b.Home, b.User, b.Life = 20, transport("2001:db8::1", "192.0.2.9"), 1
	c = register(t, s, "echo", b)
	require.Equal(t, handlespace.Updated, c.Kind)
	require.Equal(t, a, c.Old.PoolElement)
	require.Equal(t, b, c.New.PoolElement)
	require.True(t, c.OwnerChanged(), "rule 4: whoever owned it before")
	require.Empty(t, s.Owned(10))
	require.Equal(t, []rserpool.PEID{1}, stored(s.Owned(20)))
	got, ok := s.Get("echo", 1)
	require.True(t, ok)
	require.Equal(t, b, got.PoolElement)

	require.Equal(t, "added updated refreshed change 9", handlespace.Added.String()+" "+handlespace.Updated.String()+" "+
		handlespace.Refreshed.String()+" "+handlespace.ChangeKind(9).String())
}

// RFC 5352 §3.1 rules 1 and 2, and rule 3: the same tests on re-registration, even
// of the only element. RFC 5354 §3.12.6 and §3.12.8: what the causes carry.
func TestRegistrationMustFitThePool(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*rserpool.PoolElement)
		reason error
		code   rserpool.CauseCode
		info   []byte
	}{
		{"policy", func(pe *rserpool.PoolElement) {
			pe.Policy = rserpool.Policy{Type: rserpool.LeastUsed}
		}, handlespace.ErrPolicyMismatch, rserpool.CauseInconsistentPolicy, rserpool.Policy{Type: rserpool.RoundRobin}.AppendTo(nil)},
		{"unsupported policy", func(pe *rserpool.PoolElement) {
			pe.Policy = rserpool.Policy{Type: 0xb0000001}
		}, handlespace.ErrPolicyMismatch, rserpool.CauseInconsistentPolicy, rserpool.Policy{Type: rserpool.RoundRobin}.AppendTo(nil)},
		{"transport type", func(pe *rserpool.PoolElement) {
			pe.User.Protocol = rserpool.ProtoTCP
		}, handlespace.ErrTransportType, rserpool.CauseInconsistentTransportType, transport("192.0.2.1").AppendTo(nil)},
		{"transport use", func(pe *rserpool.PoolElement) {
			pe.User.Use = rserpool.UseDataControl
		}, handlespace.ErrTransportUse, rserpool.CauseInconsistentDataControlConfig, nil},
	} {
		for _, id := range []rserpool.PEID{1, 2} { // re-registration, new element
			s := handlespace.New(handlespace.Options{})
			register(t, s, "echo", element(1, 10))
			pe := element(id, 10)
			c.change(&pe)
			change, err := s.Register(t0, "echo", pe)
			require.ErrorIs(t, err, c.reason, c.name)
			require.ErrorContains(t, err, "handlespace: pool echo, pe "+id.String())
			require.Zero(t, change)
			require.Equal(t, rserpool.Cause{Code: c.code, Info: c.info}, handlespace.CauseOf(err))
			_, els, _ := s.Pool("echo")
			require.Equal(t, []rserpool.PEID{1}, stored(els))
			require.Equal(t, element(1, 10), els[0].PoolElement, "%s: nothing has changed", c.name)

			// The pool's properties end with the pool (RFC 5352 §3.2).
			s.Deregister("echo", 1)
			_, err = s.Register(t0, "echo", pe)
			if pe.Policy.Type == 0xb0000001 {
				require.ErrorIs(t, err, handlespace.ErrPolicyUnsupported)
			} else {
				require.NoError(t, err)
			}
		}
	}
	require.Equal(t, rserpool.CauseUnspecified, handlespace.CauseOf(nil).Code)
}

func TestInvalidRegistrationsAreRefused(t *testing.T) {
	long := rserpool.PoolHandle(make([]byte, 33))
	for _, c := range []struct {
		name   string
		handle rserpool.PoolHandle
		change func(*rserpool.PoolElement)
		reason error
		code   rserpool.CauseCode
	}{
		{"no handle", "", func(*rserpool.PoolElement) {}, handlespace.ErrPoolHandle, rserpool.CauseInvalidValues},
		{"long handle", long, func(*rserpool.PoolElement) {}, handlespace.ErrPoolHandle, rserpool.CauseInvalidValues},
		{"PE identifier 0", "p", func(pe *rserpool.PoolElement) { pe.ID = 0 }, handlespace.ErrPEID, rserpool.CauseInvalidValues},
		{"no address", "p", func(pe *rserpool.PoolElement) { pe.User.Addrs = nil }, handlespace.ErrElement, rserpool.CauseInvalidValues},
		{"reserved policy", "p", func(pe *rserpool.PoolElement) { pe.Policy.Type = 0x40000000 }, handlespace.ErrElement, rserpool.CauseInvalidValues},
		{"unknown policy", "p", func(pe *rserpool.PoolElement) { pe.Policy.Type = 0xb0000077 }, policy.ErrUnsupported, rserpool.CauseRsplibUnsupportedPolicy},
	} {
		s := handlespace.New(handlespace.Options{MaxPoolHandle: rserpool.MaxPoolHandleRsplib})
		pe := element(1, 10)
		c.change(&pe)
		_, err := s.Register(t0, c.handle, pe)
		require.ErrorIs(t, err, c.reason, c.name)
		require.Equal(t, c.code, handlespace.CauseOf(err).Code, c.name)
		pools, elements := s.Len()
		require.Zero(t, pools+elements, c.name)
		require.Empty(t, s.Owners(), c.name)
	}
}

// Z1/Z2: a flood of fake registrations ends at the limits.
func TestZ1LimitsAreLackOfResources(t *testing.T) {
	s := handlespace.New(handlespace.Options{MaxPools: 2, MaxElements: 4, MaxElementsPerPool: 3, MaxElementBytes: 60})
	refused := func(h rserpool.PoolHandle, pe rserpool.PoolElement) {
		t.Helper()
		_, err := s.Register(t0, h, pe)
		require.ErrorIs(t, err, handlespace.ErrLimit)
		require.Equal(t, rserpool.CauseLackOfResources, handlespace.CauseOf(err).Code)
	}
	big := element(1, 1)
	big.User = transport("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
	refused("a", big)
	for id := rserpool.PEID(1); id <= 3; id++ {
		register(t, s, "a", element(id, 1))
	}
	refused("a", element(4, 1))
	register(t, s, "b", element(1, 1))
	refused("b", element(2, 1))
	refused("c", element(1, 1))
	register(t, s, "a", element(3, 2)) // a re-registration is none more
	refused("a", big)                  // unless it is too large
	s.Deregister("a", 1)
	refused("c", element(1, 1)) // still two pools
	register(t, s, "b", element(2, 1))

	unlimited := handlespace.New(handlespace.Options{MaxPools: -1, MaxElements: -1, MaxElementsPerPool: -1, MaxElementBytes: -1, MaxPoolHandle: -1})
	register(t, unlimited, rserpool.PoolHandle(make([]byte, rserpool.MaxPoolHandle)), big)
	_, err := unlimited.Register(t0, rserpool.PoolHandle(make([]byte, rserpool.MaxPoolHandle+1)), big)
	require.ErrorIs(t, err, handlespace.ErrPoolHandle)
}

// What the caller does to its element afterwards does not reach the stored one.
func TestRegistrationCopies(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	pe := element(1, 1)
	asap := transport("192.0.2.7")
	pe.ASAP = &asap
	want := pe.Clone()
	register(t, s, "echo", pe)
	pe.User.Addrs[0] = netip.IPv4Unspecified()
	asap.Port = 0
	got, _ := s.Get("echo", 1)
	require.Equal(t, want, got.PoolElement)
}

// RFC 5352 §3.2.
func TestDeregistration(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	register(t, s, "echo", element(1, 1))
	register(t, s, "echo", element(2, 1))
	_, ok := s.Deregister("echo", 3)
	require.False(t, ok)
	_, ok = s.Deregister("nothing", 1)
	require.False(t, ok)
	old, ok := s.Deregister("echo", 1)
	require.True(t, ok)
	require.Equal(t, element(1, 1), old.PoolElement)
	_, _, ok = s.Pool("echo")
	require.True(t, ok)
	_, ok = s.Deregister("echo", 2)
	require.True(t, ok)
	_, _, ok = s.Pool("echo")
	require.False(t, ok, "the last element takes its pool along")
	require.Empty(t, s.Pools())
	require.Empty(t, s.Owners())
	_, ok = s.Get("echo", 2)
	require.False(t, ok)
}

func TestListsAreInOrder(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	for _, h := range []rserpool.PoolHandle{"b", "\xff", "a", "\x00", "ab"} {
		for _, id := range []rserpool.PEID{7, 0xffffffff, 3} {
			register(t, s, h, element(id, rserpool.RegistrarID(id)))
		}
	}
	var handles []rserpool.PoolHandle
	for _, p := range s.Pools() {
		require.Equal(t, handlespace.PoolInfo{
			Handle: p.Handle, Policy: rserpool.RoundRobin, Protocol: rserpool.ProtoSCTP, Elements: 3,
		}, p)
		handles = append(handles, p.Handle)
	}
	require.Equal(t, []rserpool.PoolHandle{"\x00", "a", "ab", "b", "\xff"}, handles)
	_, els, _ := s.Pool("ab")
	require.Equal(t, []rserpool.PEID{3, 7, 0xffffffff}, stored(els))
	require.Equal(t, []rserpool.RegistrarID{3, 7, 0xffffffff}, s.Owners())
	require.Equal(t, `"\x00"/0x00000003`, s.Owned(3)[0].Key().String())
	require.Equal(t, 5, s.OwnedLen(3))
	require.Zero(t, s.OwnedLen(4))
}
