package sctp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// pipeCarrier is a carrier that carries nothing.
type pipeCarrier struct {
	addrs    []netip.AddrPort
	segments int
	overhead int
}

func (*pipeCarrier) ReadBatch([]carrier.Datagram) (int, error)  { return 0, net.ErrClosed }
func (*pipeCarrier) WriteBatch([]carrier.Datagram) (int, error) { return 0, net.ErrClosed }
func (c *pipeCarrier) MaxSegments() int                         { return c.segments }
func (c *pipeCarrier) LocalAddrs() []netip.AddrPort             { return c.addrs }
func (c *pipeCarrier) Overhead() int                            { return c.overhead }
func (*pipeCarrier) Close() error                               { return nil }

func quiet(t *testing.T, cs ...carrier.Carrier) *Stack {
	t.Helper()
	s, err := NewStack(&StackConfig{Carriers: cs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// The documented defaults (RFC 9260 §16).
func TestConfigDefaults(t *testing.T) {
	s := quiet(t, &pipeCarrier{addrs: []netip.AddrPort{ap("[::]:9899")}, segments: 1, overhead: 8})
	var nobody *Config
	for _, c := range []*Config{nobody, {}} {
		st, k := c.resolve(s)
		require.Equal(t, 5*time.Second, st.linger)
		require.Equal(t, 128, st.backlog)
		require.Equal(t, 64, st.eventQueue)
		require.EqualValues(t, 64, k.OutStreams)
		require.EqualValues(t, 65535, k.MaxInStreams)
		require.Equal(t, 1<<20, k.RecvBuffer)
		require.Equal(t, 1<<20, k.SendBuffer)
		require.Equal(t, 16<<20, k.MaxMessageSize)
		require.Equal(t, 1500, k.MTU)
		require.Equal(t, 8, k.EncapOverhead)
		require.True(t, k.NoDelay)
		require.Equal(t, time.Second, k.RTOInitial)
		require.Equal(t, time.Second, k.RTOMin)
		require.Equal(t, time.Minute, k.RTOMax)
		require.Equal(t, 200*time.Millisecond, k.SackDelay)
		require.Equal(t, 2, k.SackFrequency)
		require.Equal(t, 15*time.Second, k.HeartbeatInterval)
		require.False(t, k.DisableHeartbeat)
		require.Equal(t, time.Minute, k.CookieLife)
		require.Equal(t, 4, k.MaxBurst)
		require.Equal(t, 10, k.AssociationMaxRetrans)
		require.Equal(t, 5, k.PathMaxRetrans)
		require.Equal(t, 8, k.MaxInitRetransmits)
	}
	require.Equal(t, 65536, s.demux.max)
	require.EqualValues(t, 1000, s.keeper.replies.rate)
	require.EqualValues(t, 10_000, s.keeper.inits.rate)
	require.EqualValues(t, 9899, s.UDPPort())
	require.Empty(t, s.specificAddrs())
}

func TestConfigValues(t *testing.T) {
	s := quiet(t, &pipeCarrier{segments: 1})
	cc := func(int, bool) congestion.Controller { return nil }
	given := Config{
		OutStreams: 1, MaxInStreams: 2, PPID: 3, RecvBuffer: 5000, SendBuffer: 5, MaxMessageSize: 6, MTU: 1280, Nagle: true,
		RTOInitial: 8, RTOMin: 9, RTOMax: 10, SackDelay: -1, HeartbeatInterval: -1, CookieLife: 13, MaxBurst: -1,
		AssociationMaxRetrans: -1, PathMaxRetrans: -1, MaxInitRetransmits: -1, Congestion: cc, Linger: -1, Backlog: 7,
		Events: EventAll, EventQueue: 3,
	}
	kept := given
	kept.Congestion = nil
	st, k := given.resolve(s)
	given.Congestion = nil
	require.Equal(t, kept, given, "a Config is not modified")
	require.NotNil(t, k.Congestion)
	require.False(t, k.NoDelay)
	require.True(t, k.DisableHeartbeat)
	require.Zero(t, k.SackDelay)
	require.Equal(t, 1, k.SackFrequency)
	require.Zero(t, k.MaxBurst)
	require.Zero(t, k.AssociationMaxRetrans)
	require.Zero(t, k.PathMaxRetrans)
	require.Zero(t, k.MaxInitRetransmits)
	require.Equal(t, 1280, k.MTU)
	require.EqualValues(t, 3, st.ppid)
	require.Negative(t, st.linger)
	require.Equal(t, 7, st.backlog)
	require.Equal(t, 3, st.eventQueue)

	_, k = (&Config{MTU: 1, RTOMin: time.Hour}).resolve(s)
	require.Equal(t, 576, k.MTU)
	require.Equal(t, time.Hour, k.RTOMax)
	_, k = (&Config{MTU: 1 << 20}).resolve(s)
	require.Equal(t, 65535, k.MTU)
}

// With several carriers the one bound to the source address sends, else one of the
// right family.
func TestRouteOverSeveralCarriers(t *testing.T) {
	four := &pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:9899")}, segments: 64, overhead: 8}
	other := &pipeCarrier{addrs: []netip.AddrPort{ap("198.51.100.1:9899")}, segments: 8, overhead: 20}
	six := &pipeCarrier{addrs: []netip.AddrPort{ap("[2001:db8::1]:9899")}, segments: 32}
	s := quiet(t, four, other, six)
	ip := netip.MustParseAddr
	for _, c := range []struct {
		from, to netip.Addr
		want     carrier.Carrier
	}{
		{ip("192.0.2.1"), ip("203.0.113.1"), four},
		{ip("198.51.100.1"), ip("203.0.113.1"), other},
		{netip.Addr{}, ip("203.0.113.1"), four},
		{netip.Addr{}, ip("2001:db8::2"), six},
		{ip("10.0.0.1"), ip("2001:db8::2"), six},
	} {
		require.Same(t, c.want, s.route(c.from, netip.AddrPortFrom(c.to, 9899)).links()[0].Carrier, "%v > %v", c.from, c.to)
	}
	require.Equal(t, 8, s.maxSegments(), "what all of them can")
	require.Equal(t, 20, s.overhead())
	require.Len(t, s.LocalAddrs(), 3)
	require.Len(t, s.specificAddrs(), 3)
	s6 := quiet(t, six, &pipeCarrier{})
	require.Same(t, six, s6.route(netip.Addr{}, ap("192.0.2.9:9899")).links()[0].Carrier, "there is no better one")
}

// RFC 6951 §5.4: what goes to a UDP port is encapsulated, everything else is not.
func TestRouteByEncapsulation(t *testing.T) {
	udp := &pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:9899")}, segments: 64, overhead: 8}
	raw := &pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:0")}, segments: 1}
	s := quiet(t, udp, raw)
	ours := netip.MustParseAddr("192.0.2.1")
	for _, from := range []netip.Addr{ours, {}, netip.MustParseAddr("192.0.2.77")} {
		require.Same(t, udp, s.route(from, ap("192.0.2.9:9899")).links()[0].Carrier)
		require.Same(t, raw, s.route(from, ap("192.0.2.9:0")).links()[0].Carrier)
	}
	require.Equal(t, []netip.Addr{ours}, s.specificAddrs(), "one address, both ways")
	require.EqualValues(t, 9899, s.UDPPort())
	least, most := s.udpPorts()
	require.Equal(t, [2]uint16{0, 65535}, [2]uint16{least, most})
	plain := quiet(t, raw)
	require.False(t, plain.encapsulates())
	_, k := (*Config)(nil).resolve(plain)
	require.Equal(t, 30*time.Second, k.HeartbeatInterval, "RFC 9260 §16; there is no NAT state to keep")
	require.Zero(t, k.EncapOverhead)
	_, k = (*Config)(nil).resolve(s)
	require.Equal(t, 15*time.Second, k.HeartbeatInterval, "draft-tuexen-tsvwg-sctp-udp-encaps-cons §5")
	require.False(t, quiet(t, udp).direct())
}

// A UDP packet from port 0 cannot be answered, and without UDP there is no port.
func TestPortsThatDoNotFitTheCarrierAreMalformed(t *testing.T) {
	udp := &pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:9899")}, segments: 1}
	raw := &pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:0")}, segments: 1}
	s := quiet(t, udp, raw)
	packet := (&wire.CookieAck{}).AppendTo(wire.Header{SrcPort: 1, DstPort: 2, VTag: 3}.AppendTo(nil))
	wire.SetChecksum(packet)
	for i, port := range []uint16{9899, 0} {
		r := s.wires().links[i].reader
		for _, from := range []uint16{0, 1, 9899} {
			r.packets = r.packets[:0]
			before := s.Stats().Malformed
			r.accept(&carrier.Datagram{Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), from)}, packet)
			fits := (from == 0) == (port == 0)
			require.Equal(t, fits, len(r.packets) == 1, "from %d by a carrier with port %d", from, port)
			require.Equal(t, fits, s.Stats().Malformed == before)
		}
	}
}

// Carriers that are bound to the same address share the work: an association keeps to
// the one by which its packets come, or to the one that its tag names.
func TestDoorPicksTheLinkOfTheAssociation(t *testing.T) {
	var cs []carrier.Carrier
	for range 2 {
		cs = append(cs, &pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:9899")}, segments: 64})
	}
	elsewhere := &pipeCarrier{addrs: []netip.AddrPort{ap("198.51.100.1:9899")}}
	s := quiet(t, append(cs[:2], elsewhere)...)
	require.NoError(t, s.AddCarrier(&pipeCarrier{addrs: []netip.AddrPort{ap("192.0.2.1:9899")}, segments: 64}), "one more helper")
	require.Len(t, s.wires().doors, 2)
	require.Len(t, s.LocalAddrs(), 2)
	d := s.wires().doors[0]
	for tag, want := range map[wire.VTag]int{0: 0, 1: 1, 5: 2, 0xffffffff: 0} {
		require.Same(t, d.links()[want], d.pick(&Association{tag: tag}))
		require.Same(t, d.links()[1], d.pick(&Association{tag: tag, via: d.links()[1]}))
		require.Same(t, d.links()[want], d.pick(&Association{tag: tag, via: s.wires().doors[1].links()[0]}))
	}
}

func TestPublicErrors(t *testing.T) {
	require.NoError(t, publicError(nil))
	require.NoError(t, publicError(core.ErrClosed))
	require.Equal(t, ErrUnreachable, publicError(core.ErrTimeout))
	require.Equal(t, ErrShutdownTimeout, publicError(core.ErrShutdownTimeout))
	require.Equal(t, io.ErrUnexpectedEOF, publicError(io.ErrUnexpectedEOF))
	raw := wire.AppendCause(nil, wire.CauseUserAbort, []byte("why"))
	raw = wire.AppendCause(raw, wire.CauseProtocolViolation)
	var abort *AbortError
	require.ErrorAs(t, publicError(&core.AbortError{Causes: raw}), &abort)
	require.Len(t, abort.Causes, 2)
	raw[4] = 'X'
	require.Equal(t, "why", string(abort.Reason()), "the causes are a copy")

	var ne net.Error
	err := error(&OpError{Op: "dial", Addr: "x", Err: ErrUnreachable})
	require.ErrorAs(t, err, &ne)
	require.True(t, ne.Timeout())
	require.False(t, (&OpError{Err: errors.New("x")}).Timeout())
}

func TestAssocStateNames(t *testing.T) {
	for s, want := range map[AssocState]string{AssocUp: "up", AssocRestarted: "restarted", AssocShutdown: "shut down", AssocLost: "lost", 0: "unknown"} {
		require.Equal(t, want, s.String())
	}
	for _, ev := range []Event{AssocChange{}, PathChange{}, RemoteError{}, PeerShutdown{}, SenderDry{}, NotificationsStopped{}} {
		require.NotZero(t, ev.mask()&EventAll)
	}
}
