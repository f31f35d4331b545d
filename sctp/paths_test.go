package sctp_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Addresses of two hosts in two networks.
var (
	left  = []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("fd00::1")}
	right = []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.2.0.2"), netip.MustParseAddr("fd00::2")}
)

// twoHomes is an association between two hosts whose paths are all verified.
func twoHomes(t *testing.T, n int, client, server *sctp.Config) (w *world, c, s *sctp.Association) {
	w = newWorld(t, worldOption{})
	one, two := w.stack(sctp.StackConfig{}, left[:n]...), w.stack(sctp.StackConfig{}, right[:n]...)
	l, err := two.Listen(&sctp.Addr{Port: 1}, server)
	require.NoError(t, err)
	c, err = one.Dial(t.Context(), &sctp.Addr{IPs: right[:1], Port: 1}, client)
	require.NoError(t, err)
	s, err = l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	time.Sleep(time.Duration(n) * 2 * time.Second)
	require.Equal(t, n, activePaths(c))
	require.Equal(t, n, activePaths(s))
	return w, c, s
}

func activePaths(a *sctp.Association) int {
	n := 0
	for _, p := range a.Paths() {
		if p.State == sctp.PathActive {
			n++
		}
	}
	return n
}

// events collects the PathChange notifications that wait.
func pathChanges(a *sctp.Association) (out []sctp.PathChange) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for {
		ev, err := a.NextEvent(ctx)
		if err != nil {
			return out
		}
		if p, ok := ev.(sctp.PathChange); ok {
			out = append(out, p)
		}
	}
}

func port(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, sctp.DefaultUDPPort) }

func TestSetPrimary(t *testing.T) { // RFC 9260 §11.1.6
	synctest.Test(t, func(t *testing.T) {
		_, c, s := twoHomes(t, 2, &sctp.Config{Events: sctp.EventPath}, nil)
		pathChanges(c)
		require.ErrorIs(t, c.SetPrimary(left[0]), sctp.ErrNoPath)
		require.NoError(t, c.SetPrimary(right[1]))
		require.Equal(t, []sctp.PathChange{{Path: port(right[1]), State: sctp.PathActive, Primary: true}}, pathChanges(c))
		require.Equal(t, right[1], c.RemoteAddr().(*sctp.Addr).IPs[0])
		before := c.Paths()[1].PacketsOut
		require.NoError(t, c.Send(t.Context(), text("this way")))
		receive(t, s)
		require.Greater(t, c.Paths()[1].PacketsOut, before)
		require.NoError(t, c.Close())
		require.ErrorIs(t, c.SetPrimary(right[0]), net.ErrClosed)
	})
}

func TestQuickFailover(t *testing.T) { // RFC 7829
	synctest.Test(t, func(t *testing.T) {
		w, c, s := twoHomes(t, 2, &sctp.Config{Events: sctp.EventPath, QuickFailover: true}, nil)
		pathChanges(c)
		w.net.SetDown(left[0], right[0], true)
		start := time.Now()
		for range 5 {
			require.NoError(t, c.Send(t.Context(), text("on")))
			receive(t, s)
		}
		require.Less(t, time.Since(start), 1200*time.Millisecond, "one RTO for the first, none for the others")
		require.Equal(t, []sctp.PathChange{{Path: port(right[0]), State: sctp.PathPotentiallyFailed, Primary: true}}, pathChanges(c))
		w.net.SetDown(left[0], right[0], false)
		time.Sleep(10 * time.Second)
		require.Equal(t, []sctp.PathChange{{Path: port(right[0]), State: sctp.PathActive, Primary: true}}, pathChanges(c))
	})
}

func TestPrimarySwitchover(t *testing.T) { // RFC 7829 §5
	synctest.Test(t, func(t *testing.T) {
		w, c, s := twoHomes(t, 2, &sctp.Config{Events: sctp.EventPath, QuickFailover: true, HidePotentiallyFailed: true, PrimarySwitchover: true}, nil)
		pathChanges(c)
		w.net.SetDown(left[0], right[0], true)
		require.NoError(t, c.Send(t.Context(), text("on")))
		receive(t, s)
		require.Equal(t, []sctp.PathChange{{Path: port(right[1]), State: sctp.PathActive, Primary: true}}, pathChanges(c))
		require.Equal(t, sctp.PathActive, c.Paths()[0].State, "hidden")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		for _, cfg := range []sctp.Config{
			{PrimarySwitchover: true, PrimaryMaxRetrans: 4},
			{PrimarySwitchover: true, PrimaryMaxRetrans: 1, PathMaxRetrans: 2},
			{PrimarySwitchover: true, PrimaryMaxRetrans: 1, QuickFailover: true, PFMaxRetrans: 2},
		} {
			var e *sctp.ParameterError
			_, err := w.client.Dial(t.Context(), w.addr(), &cfg)
			require.ErrorAs(t, err, &e, "rule 1: such values must be rejected")
			_, err = w.server.Listen(&sctp.Addr{Port: 77}, &cfg)
			require.ErrorAs(t, err, &e)
		}
		_, err := w.client.Dial(t.Context(), w.addr(), &sctp.Config{PrimarySwitchover: true, PrimaryMaxRetrans: 5})
		require.NoError(t, err)
	})
}

func TestPathSettings(t *testing.T) { // RFC 9260 §11.1.9, §11.1.12
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := twoHomes(t, 2, &sctp.Config{Events: sctp.EventPath, PathMaxRetrans: 3}, nil)
		s, err := c.PathSettings(right[1])
		require.NoError(t, err)
		require.Equal(t, sctp.PathSettings{MaxRetrans: 3, HeartbeatInterval: 15 * time.Second}, s)

		// The interval of one path: probed each second or so, plus the RTO.
		s.HeartbeatInterval = time.Second
		require.NoError(t, c.SetPathSettings(right[1], s))
		before := c.Stats().HeartbeatsOut
		time.Sleep(30 * time.Second)
		require.InDelta(t, 30/2+2, c.Stats().HeartbeatsOut-before, 4)

		// Off: the path is dead and nobody notices.
		pathChanges(c)
		s.DisableHeartbeat = true
		require.NoError(t, c.SetPathSettings(right[1], s))
		w.net.SetDown(left[1], right[1], true)
		w.net.SetDown(left[0], right[1], true)
		time.Sleep(time.Hour)
		require.Empty(t, pathChanges(c))

		// On request it is probed nonetheless (§11.1.10), and a threshold of 0 counts.
		s.MaxRetrans = 0
		require.NoError(t, c.SetPathSettings(right[1], s))
		require.NoError(t, c.RequestHeartbeat(right[1]))
		require.NoError(t, c.RequestHeartbeat(right[1]), "the one that is under way serves")
		time.Sleep(2 * time.Second)
		require.Equal(t, []sctp.PathChange{{Path: port(right[1]), State: sctp.PathInactive}}, pathChanges(c))
		w.net.Heal()
		w.net.SetDown(left[1], right[1], false)
		w.net.SetDown(left[0], right[1], false)
		require.NoError(t, c.RequestHeartbeat(right[1]))
		time.Sleep(time.Second)
		require.Equal(t, []sctp.PathChange{{Path: port(right[1]), State: sctp.PathActive}}, pathChanges(c))

		// All paths at once, and those to come.
		s = sctp.PathSettings{MaxRetrans: 9, HeartbeatInterval: time.Minute}
		require.NoError(t, c.SetPathSettings(netip.Addr{}, s))
		for _, a := range []netip.Addr{right[0], right[1], {}} {
			got, err := c.PathSettings(a)
			require.NoError(t, err)
			require.Equal(t, s, got)
		}
		s.MaxRetrans = -1
		var e *sctp.ParameterError
		require.ErrorAs(t, c.SetPathSettings(right[0], s), &e)
		require.EqualError(t, e, "sctp: Path.Max.Retrans is -1, not from 0 to 16777216")
		require.ErrorIs(t, c.SetPathSettings(left[0], sctp.PathSettings{}), sctp.ErrNoPath)
		require.ErrorIs(t, c.RequestHeartbeat(left[0]), sctp.ErrNoPath)
		_, err = c.PathSettings(left[0])
		require.ErrorIs(t, err, sctp.ErrNoPath)
	})
}

// A threshold may be changed while errors are counted already.
func TestThresholdsCountAtOnce(t *testing.T) { // RFC 9260 §11.1.12, RFC 7829 §7.2
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := twoHomes(t, 2, &sctp.Config{Events: sctp.EventPath}, nil)
		w.net.SetDown(left[0], right[0], true)
		w.net.SetDown(left[1], right[0], true)
		require.NoError(t, c.Send(t.Context(), text("on")))
		time.Sleep(1100 * time.Millisecond)
		require.Equal(t, 1, c.Paths()[0].Errors)
		pathChanges(c)
		s, err := c.PathSettings(right[0])
		require.NoError(t, err)
		s.PotentiallyFailed = true
		require.NoError(t, c.SetPathSettings(right[0], s))
		require.Equal(t, []sctp.PathChange{{Path: port(right[0]), State: sctp.PathPotentiallyFailed, Primary: true}}, pathChanges(c))
		s.PotentiallyFailed = false
		require.NoError(t, c.SetPathSettings(right[0], s))
		require.Equal(t, []sctp.PathChange{{Path: port(right[0]), State: sctp.PathActive, Primary: true}}, pathChanges(c))
		s.MaxRetrans = 0
		require.NoError(t, c.SetPathSettings(right[0], s))
		require.Equal(t, []sctp.PathChange{{Path: port(right[0]), State: sctp.PathInactive, Primary: true}}, pathChanges(c))
	})
}

func TestSetParameters(t *testing.T) { // RFC 9260 §11.1.13
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		p := c.Parameters()
		require.Equal(t, sctp.Parameters{RTOMin: time.Second, RTOMax: time.Minute, SackDelay: 200 * time.Millisecond, SackFrequency: 2,
			MaxBurst: 4, NoDelay: true, AssociationMaxRetrans: 10, HeartbeatMaxBurst: 1, PrimaryMaxRetrans: 5}, p)
		p.RTOMin, p.RTOMax, p.AssociationMaxRetrans = 50*time.Millisecond, 100*time.Millisecond, 3
		require.NoError(t, c.SetParameters(p))
		require.Equal(t, p, c.Parameters())
		for what, bad := range map[string]func(*sctp.Parameters){
			"RTO.Min":                        func(p *sctp.Parameters) { p.RTOMin = 2 * p.RTOMax },
			"RTO.Max":                        func(p *sctp.Parameters) { p.RTOMax = 48 * time.Hour },
			"SACK.Delay":                     func(p *sctp.Parameters) { p.SackDelay = time.Second },
			"SACK frequency":                 func(p *sctp.Parameters) { p.SackFrequency = 0 },
			"Max.Burst":                      func(p *sctp.Parameters) { p.MaxBurst = -1 },
			"Association.Max.Retrans":        func(p *sctp.Parameters) { p.AssociationMaxRetrans = -1 },
			"HB.Max.Burst":                   func(p *sctp.Parameters) { p.HeartbeatMaxBurst = 0 },
			"Primary.Switchover.Max.Retrans": func(p *sctp.Parameters) { p.PrimarySwitchover, p.PrimaryMaxRetrans = true, 4 },
		} {
			q := p
			bad(&q)
			var e *sctp.ParameterError
			require.ErrorAs(t, c.SetParameters(q), &e, what)
			require.Equal(t, what, e.Name)
			require.Equal(t, p, c.Parameters(), "nothing was changed")
		}
		// The new RTO and the new limit are in force.
		require.NoError(t, c.Send(t.Context(), text("now")))
		receive(t, s)
		w.cut()
		start := time.Now()
		require.NoError(t, c.Send(t.Context(), text("into the void")))
		_, err := c.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, sctp.ErrUnreachable)
		require.Less(t, time.Since(start), time.Second)
		var lost *sctp.UnreachableError
		require.ErrorAs(t, err, &lost)
		require.Equal(t, 4, lost.Sent)
		require.True(t, lost.Timeout())
		require.False(t, lost.Temporary())
		require.ErrorIs(t, c.SetParameters(p), sctp.ErrUnreachable)
	})
}

// X1: a host that lists the address of another one does not keep that one from opening
// an association of its own with the same ports (RFC 5062 §2).
func TestX1CampingOnAnAddress(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Millisecond, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOption{})
			victim := netip.MustParseAddr("192.0.2.50")
			probes := camp(w, victim)
			time.Sleep(wait)
			v := w.stack(sctp.StackConfig{}, victim)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := v.Dial(ctx, w.addr(), &sctp.Config{LocalPort: 4000})
			require.NoError(t, err)
			_, err = w.listener.AcceptSCTP(ctx) // that of the attacker
			require.NoError(t, err)
			s, err := w.listener.AcceptSCTP(ctx)
			require.NoError(t, err)
			require.Equal(t, victim, s.RemoteAddr().(*sctp.Addr).IPs[0])
			require.NoError(t, c.Send(t.Context(), text("here I am")))
			require.Equal(t, "here I am", string(receive(t, s).Data))
			if wait > time.Second {
				require.Positive(t, *probes, "the address was probed")
				require.Less(t, *probes, 12, "and not much (HB.Max.Burst, Path.Max.Retrans)")
			}
		})
	}
}

// camp opens an association by hand that lists the victim's address, and counts the
// probes of that.
func camp(w *world, victim netip.Addr) *int {
	probes := new(int)
	w.net.Observe(func(e simnet.Event) {
		pkt, err := wire.Parse(e.Packet.Data)
		if e.Kind == simnet.Sent && e.Packet.To.Addr() == victim && err == nil && pkt.First().Type() == wire.TypeHeartbeat {
			*probes++
		}
	})
	a := w.attacker()
	a.port = 4000
	i := a.init()
	i.Addrs = []netip.Addr{attackerIP, victim}
	a.send(0, i)
	p, ok := a.next()
	require.True(w.t, ok)
	var ack wire.Init
	require.NoError(w.t, ack.Decode(p.First()))
	a.send(ack.InitiateTag, &wire.CookieEcho{Cookie: ack.Cookie})
	_, ok = a.next()
	require.True(w.t, ok)
	return probes
}

// An INIT from elsewhere that lists a verified address of an association belongs to that
// association, which refuses the new address (RFC 9260 §5.1.2 D, §5.2.2).
func TestInitThatListsAnAddressOfAnAssociation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{LocalPort: 1}})
		c, s := w.pair()
		a := w.attacker()
		i := a.init()
		i.Addrs = []netip.Addr{attackerIP, clientIP}
		a.send(0, i)
		p, ok := a.next()
		require.True(t, ok)
		require.Equal(t, wire.TypeAbort, p.First().Type())
		require.Equal(t, i.InitiateTag, p.VTag)
		var abort wire.Abort
		require.NoError(t, abort.Decode(p.First()))
		for cause := range wire.Causes(abort.Causes) {
			require.Equal(t, wire.CauseRestartNewAddrs, cause.Code)
		}
		// What it lists of nobody is its own business.
		i.Addrs = []netip.Addr{attackerIP, netip.MustParseAddr("192.0.2.123")}
		a.send(0, i)
		p, ok = a.next()
		require.True(t, ok)
		require.Equal(t, wire.TypeInitAck, p.First().Type())
		require.NoError(t, c.Send(t.Context(), text("unmoved")))
		require.Equal(t, "unmoved", string(receive(t, s).Data))
	})
}

// SCTP has no half-closed state, so nothing offers one (RFC 9260 §9).
func TestNoHalfClose(t *testing.T) {
	for _, v := range []any{(*sctp.Conn)(nil), (*sctp.Stream)(nil), (*sctp.Association)(nil)} {
		_, write := v.(interface{ CloseWrite() error })
		_, read := v.(interface{ CloseRead() error })
		require.False(t, write || read, "%T", v)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		go func() { _ = c.Shutdown(context.Background()) }()
		time.Sleep(time.Second)
		require.ErrorIs(t, s.Send(t.Context(), text("still here?")), sctp.ErrShutdown, "neither end sends any more")
		require.ErrorIs(t, c.Send(t.Context(), text("still here?")), sctp.ErrShutdown)
	})
}
