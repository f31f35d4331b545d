package core_test

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func TestReadingByStream(t *testing.T) { // RFC 9260 §11.1.7
	w, a, b := connected(t, 1, nil)
	for i, text := range []string{"zero", "five", "zero too", "five too"} {
		require.NoError(t, a.only().Send(w.now, &core.Outgoing{Stream: wire.StreamID(i % 2 * 5), PPID: wire.PPID(i)}, []byte(text)))
	}
	a.drain(a.only())
	w.run(time.Second)
	x := b.only()
	info, n, ok := x.NextMessage()
	require.True(t, ok)
	require.Equal(t, 4, n)
	require.Equal(t, wire.StreamID(0), info.Stream)
	info, n, ok = x.NextStreamMessage(5)
	require.True(t, ok)
	require.Equal(t, 4, n)
	require.Equal(t, wire.PPID(1), info.PPID)
	_, _, ok = x.NextStreamMessage(7)
	require.False(t, ok)
	buf := make([]byte, 100)
	_, n, err := x.ReceiveStream(w.now, 5, buf)
	require.NoError(t, err)
	require.Equal(t, "five", string(buf[:n]))
	_, n, err = x.Receive(w.now, buf)
	require.NoError(t, err)
	require.Equal(t, "zero", string(buf[:n]))
	_, n, err = x.ReceiveStream(w.now, 5, buf)
	require.NoError(t, err)
	require.Equal(t, "five too", string(buf[:n]))
	_, _, err = x.ReceiveStream(w.now, 5, buf)
	require.ErrorIs(t, err, core.ErrNoMessage)
}

func TestWhatIsKnownOfTheEnds(t *testing.T) {
	w, a, b := connected(t, 1, nil)
	x := a.only()
	require.Equal(t, []netip.AddrPort{addrB}, x.PeerAddrs())
	require.Equal(t, addrA.Addr(), x.LocalAddr())
	require.Equal(t, uint16(5000), x.LocalPort())
	require.Equal(t, uint16(5001), x.PeerPort())
	require.Equal(t, 64, x.InStreams())
	require.Equal(t, core.Established.String(), x.State().String())
	require.Equal(t, "UNKNOWN", core.State(99).String())
	p := x.Paths()
	require.Len(t, p, 1)
	require.True(t, p[0].Primary)
	require.Equal(t, 1472, p[0].PacketSize)
	require.NoError(t, x.Err())
	_ = w
	_ = b
}

func TestSendErrors(t *testing.T) {
	w, a, b := two(t, 1, func(c *core.Config) { c.MaxMessageSize, c.SendBuffer = 5000, 3000 })
	_, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 1, PeerPort: 2}, a.resp)
	require.ErrorIs(t, err, core.ErrNoAddress)
	_, err = core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 1, PeerPort: 2, PeerAddrs: []netip.AddrPort{netip.MustParseAddrPort("224.0.0.1:1")}}, a.resp)
	require.ErrorIs(t, err, core.ErrNoAddress)
	x := a.dial(b)
	send := func(m core.Outgoing, n int) error { return x.Send(w.now, &m, make([]byte, n)) }
	require.ErrorIs(t, send(core.Outgoing{}, 1), core.ErrNotConnected)
	w.run(time.Second)
	require.ErrorIs(t, send(core.Outgoing{}, 0), core.ErrEmptyMessage)
	require.ErrorIs(t, send(core.Outgoing{}, 5001), core.ErrMessageTooLarge)
	require.ErrorIs(t, send(core.Outgoing{Stream: 64}, 1), core.ErrInvalidStream)
	require.NoError(t, send(core.Outgoing{}, 5000), "larger than the buffer, but it is empty")
	require.ErrorIs(t, send(core.Outgoing{}, 1), core.ErrWouldBlock)
	a.drain(x)
	require.False(t, a.saw(core.EventWritable))
	w.run(time.Second)
	require.True(t, a.saw(core.EventWritable), "room again")
	require.True(t, a.saw(core.EventAllAcked))
	require.Zero(t, x.Buffered())
	require.NoError(t, x.Shutdown(w.now))
	require.NoError(t, x.Shutdown(w.now))
	a.drain(x)
	w.run(time.Second)
	require.Equal(t, core.Closed, x.State())
	require.ErrorIs(t, send(core.Outgoing{}, 1), core.ErrClosed)
	require.ErrorIs(t, x.Shutdown(w.now), core.ErrClosed)
	require.ErrorIs(t, x.Abort(w.now, nil), core.ErrClosed)
	_, _, err = x.Receive(w.now, nil)
	require.ErrorIs(t, err, io.EOF)
}

func TestEventsThatReportManyAreBounded(t *testing.T) { // R4
	v := attacked(t, nil)
	cause := &wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseOutOfResource)}
	for range 1000 {
		v.as.HandlePacket(v.w.now, core.Inbound{Remote: addrA}, mustParse(t, v.packet(cause)))
	}
	n := 0
	for {
		e, ok := v.as.PollEvent()
		if !ok {
			break
		}
		require.Equal(t, core.EventRemoteError, e.Kind)
		require.NotEmpty(t, e.Causes)
		n++
	}
	require.Equal(t, 256, n)
	v.as.HandlePacket(v.w.now, core.Inbound{Remote: addrA}, mustParse(t, v.packet(&wire.Abort{})))
	e, ok := v.as.PollEvent()
	require.True(t, ok)
	require.Equal(t, core.EventClosed, e.Kind, "what matters is never dropped")
	require.Equal(t, "Closed", e.Kind.String())
	require.Equal(t, "Unknown", core.EventKind(99).String())
}

func TestTraceTellsWhatHappens(t *testing.T) {
	var log []string
	add := func(s string) { log = append(log, s) }
	trace := &core.Trace{
		StateChange:  func(from, to core.State) { add(from.String() + "→" + to.String()) },
		ChunkIn:      func(c wire.RawChunk) { add("in " + c.Type().String()) },
		Drop:         func(why string) { add("drop " + why) },
		Retransmit:   func(wire.TSN, bool) { add("retransmit") },
		T3Expired:    func(netip.AddrPort) { add("T3") },
		CwndChange:   func(netip.AddrPort, int) { add("cwnd") },
		PathChange:   func(_ netip.AddrPort, s core.PathState) { add("path " + s.String()) },
		ProtocolFail: func(c wire.CauseCode, _ string) { add("fail " + c.String()) },
	}
	w, a, b := two(t, 1, func(c *core.Config) { c.PathMaxRetrans = 0 })
	a.cfg.Trace = trace
	x := a.dial(b)
	w.run(time.Second)
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	for range 6 {
		require.NoError(t, x.Send(w.now, &core.Outgoing{}, make([]byte, 1400)))
	}
	a.drain(x)
	w.run(2 * time.Second)
	w.net.SetFilter(nil)
	w.run(20 * time.Second)
	a.receive(addrB, packetTo(5001, 5000, 1, &wire.CookieAck{}))
	a.receive(addrB, packetTo(5001, 5000, x.LocalTag(), &wire.Sack{CumTSN: a.firstTSN + 99}))
	for _, want := range []string{"CLOSED→COOKIE-WAIT", "COOKIE-WAIT→COOKIE-ECHOED", "COOKIE-ECHOED→ESTABLISHED", "in INIT-ACK", "in COOKIE-ACK",
		"retransmit", "T3", "cwnd", "path inactive", "path active", "drop verification tag", "fail Protocol Violation", "ESTABLISHED→CLOSED"} {
		require.Contains(t, log, want)
	}
}

func TestControllersAreChosenByAddress(t *testing.T) { // RFC 9260 §7.2.1
	six := netip.MustParseAddrPort("[2001:db8::2]:9899")
	w := newWorld(t, 1)
	a, b := w.host(netip.MustParseAddrPort("[2001:db8::1]:9899"), 1, nil), w.host(six, 2, nil)
	b.listen = &core.Listening{Config: &b.cfg}
	require.Equal(t, 4344, a.dial(b).Paths()[0].Cwnd)
	made := 0
	a.cfg.Congestion = func(pmdcs int, _ bool) congestion.Controller {
		made++
		require.Equal(t, 1440, pmdcs)
		return congestion.NewReno(pmdcs, 0)
	}
	a.assocs = nil
	a.dial(b)
	w.run(time.Second)
	require.Equal(t, 1, made)
	require.Equal(t, core.Established, a.only().State())
}

func TestAbortReasons(t *testing.T) { // RFC 9260 §3.3.10.12
	w, a, b := connected(t, 3, nil)
	require.NoError(t, a.only().Abort(w.now, make([]byte, 1000)))
	a.drain(a.only())
	w.run(time.Second)
	var e *core.AbortError
	require.ErrorAs(t, b.only().Err(), &e)
	require.Len(t, e.Reason(), 256, "cut, so that it fits any packet")
	require.ErrorAs(t, a.only().Err(), &e)
	require.True(t, e.Local)
	require.Equal(t, "sctp: abort: User-Initiated Abort", e.Error())
	require.Nil(t, (&core.AbortError{}).Reason())
	require.Equal(t, "sctp: abort from peer", (&core.AbortError{}).Error())
	_, _, err := b.only().Receive(w.now, nil)
	require.True(t, errors.As(err, &e))
}

func TestFailingRandomSource(t *testing.T) {
	bad := readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })
	_, err := core.NewResponder(epoch, bad)
	require.Error(t, err)
	w, a, b := two(t, 1, nil)
	a.cfg.Rand = bad
	x := a.dial(b) // weak tags rather than a panic
	w.run(time.Second)
	require.Equal(t, core.Established, x.State())
	w.run(time.Minute) // no nonce, no HEARTBEAT
	require.Zero(t, x.Stats().HeartbeatsOut)
	require.Equal(t, core.Established, x.State())
}

func TestInitTakesTurns(t *testing.T) { // RFC 9260 §5.1.4: all addresses that the user named
	w, a, _ := two(t, 1, nil)
	second := netip.MustParseAddrPort("10.0.0.3:9900")
	w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
	x, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001, PeerAddrs: []netip.AddrPort{addrB, second, addrB}}, a.resp)
	require.NoError(t, err)
	var to []netip.AddrPort
	buf := make([]byte, 0, 2048)
	for range 4 {
		tr, ok := x.PollTransmit(w.now, buf, 1)
		require.True(t, ok)
		to = append(to, tr.Remote)
		w.now, ok = x.NextTimeout()
		require.True(t, ok)
		x.HandleTimeout(w.now)
	}
	require.Equal(t, []netip.AddrPort{addrB, second, addrB, second}, to)
	require.Equal(t, 4*time.Second+2*time.Second, w.now.Sub(epoch), "each address backs off by itself")
}

func TestX10TagsAndTSNsAreDrawnAnew(t *testing.T) { // RFC 9260 §5.3.1
	w, a, b := two(t, 1, nil)
	tags, tsns := map[wire.VTag]bool{}, map[wire.TSN]bool{}
	for range 100 {
		x := a.dial(b)
		tags[x.LocalTag()], tsns[a.firstTSN] = true, true
		require.NotZero(t, x.LocalTag())
	}
	require.Len(t, tags, 100)
	require.Len(t, tsns, 100)
	_ = w
}
