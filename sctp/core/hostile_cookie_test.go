package core_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// passive is a listener under attack, without an association.
type passive struct {
	t   testing.TB
	w   *world
	b   *host
	out []wire.Packet
}

func listening(t testing.TB, change func(*core.Config)) *passive {
	w, _, b := two(t, 9, change)
	p := &passive{t: t, w: w, b: b}
	b.tap = func(q wire.Packet) { p.out = append(p.out, clone(t, q)) }
	return p
}

func (p *passive) inject(tag wire.VTag, chunks ...appender) []wire.Packet {
	p.out = nil
	p.b.receive(addrA, packetTo(5000, 5001, tag, chunks...))
	return p.out
}

// cookie asks for an INIT ACK and returns its tag and cookie.
func (p *passive) cookie(change func(*wire.Init)) (wire.VTag, []byte) {
	i := &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 3, InStreams: 3, InitialTSN: 100}
	if change != nil {
		change(i)
	}
	out := p.inject(0, i)
	require.Len(p.t, out, 1)
	var ack wire.Init
	require.NoError(p.t, ack.Decode(out[0].First()))
	require.True(p.t, ack.HasCookie)
	return ack.InitiateTag, append([]byte(nil), ack.Cookie...)
}

func TestC1RandomCookieIsDropped(t *testing.T) { // RFC 9260 §5.1.5 step 2
	p := listening(t, nil)
	for n := range 300 {
		c := make([]byte, n)
		_, _ = rand.Read(c)
		require.Empty(t, p.inject(1, &wire.CookieEcho{Cookie: c}))
	}
	require.Empty(t, p.b.assocs)
}

func TestC2EveryBitOfTheCookieCounts(t *testing.T) {
	p := listening(t, nil)
	tag, c := p.cookie(nil)
	for i := range len(c) * 8 {
		c[i/8] ^= 1 << (i % 8)
		require.Empty(t, p.inject(tag, &wire.CookieEcho{Cookie: c}), "bit %d", i)
		c[i/8] ^= 1 << (i % 8)
	}
	require.Empty(t, p.b.assocs)
	require.NotEmpty(t, p.inject(tag, &wire.CookieEcho{Cookie: c}), "the unchanged cookie is good")
	require.Equal(t, core.Established, p.b.only().State())
}

func TestC5StaleCookie(t *testing.T) { // RFC 9260 §5.1.5 step 4
	p := listening(t, nil)
	tag, c := p.cookie(nil)
	p.w.now = p.w.now.Add(60*time.Second + 1500*time.Microsecond)
	out := p.inject(tag, &wire.CookieEcho{Cookie: c})
	require.Len(t, out, 1)
	require.Equal(t, wire.VTag(7), out[0].VTag)
	causes := causesOf(t, out[0])
	require.Len(t, causes, 1)
	require.Equal(t, wire.CauseStaleCookie, causes[0].Code)
	require.Equal(t, uint32(1500), binary.BigEndian.Uint32(causes[0].Info), "microseconds")
	require.Empty(t, p.b.assocs)
}

func TestC5LifeExtensionIsCapped(t *testing.T) { // RFC 9260 §3.3.2.1
	p := listening(t, nil)
	extend := func(i *wire.Init) { i.CookiePreservative, i.HasPreservative = 1<<32-1, true }
	tag, c := p.cookie(extend)
	p.w.now = p.w.now.Add(69 * time.Second)
	require.NotEmpty(t, p.inject(tag, &wire.CookieEcho{Cookie: c}))
	require.Len(t, p.b.assocs, 1)
	p = listening(t, nil)
	tag, c = p.cookie(extend)
	p.w.now = p.w.now.Add(71 * time.Second)
	out := p.inject(tag, &wire.CookieEcho{Cookie: c})
	require.Equal(t, wire.CauseStaleCookie, causesOf(t, out[0])[0].Code)
}

func TestC7CookieOfAnotherLife(t *testing.T) {
	p := listening(t, nil)
	tag, c := p.cookie(nil)
	r, err := core.NewResponder(p.w.now, newSeeded(4711))
	require.NoError(t, err)
	p.b.resp = r // as after a restart of the process
	require.Empty(t, p.inject(tag, &wire.CookieEcho{Cookie: c}))
	require.Empty(t, p.b.assocs)
}

func TestC7CookieForAnotherPort(t *testing.T) { // RFC 9260 §5.1.5 step 3
	p := listening(t, nil)
	tag, c := p.cookie(nil)
	for _, ports := range [][2]uint16{{5000, 5002}, {5003, 5001}} {
		p.b.receive(addrA, packetTo(ports[0], ports[1], tag, &wire.CookieEcho{Cookie: c}))
		require.Empty(t, p.b.assocs)
	}
	require.Empty(t, p.inject(tag+1, &wire.CookieEcho{Cookie: c}))
	require.Empty(t, p.b.assocs)
}

func TestC10InitFloodKeepsNoState(t *testing.T) {
	p := listening(t, nil)
	i := &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 3, InStreams: 3, InitialTSN: 100}
	pkt := packetTo(5000, 5001, 0, i)
	in := core.Inbound{Local: addrB.Addr(), Remote: addrA}
	parsed, err := wire.Parse(pkt)
	require.NoError(t, err)
	buf := make([]byte, 0, 2048)
	for range floodSize {
		tr, as := p.b.resp.HandlePacket(p.w.now, in, parsed, p.b.listen, buf)
		require.Nil(t, as)
		require.LessOrEqual(t, len(tr.Data), 4*len(pkt)+256, "no amplifier")
	}
	// All that an answer needs besides its buffer is garbage at once.
	n := testing.AllocsPerRun(200, func() { p.b.resp.HandlePacket(p.w.now, in, parsed, p.b.listen, buf) })
	require.Less(t, n, 20.0)
}

func TestC13KeyRotation(t *testing.T) {
	p := listening(t, func(c *core.Config) { c.CookieLife = 20 * time.Minute })
	tag, c := p.cookie(nil)
	p.w.now = p.w.now.Add(6 * time.Minute) // the key is the previous one now
	p.cookie(nil)
	require.NotEmpty(t, p.inject(tag, &wire.CookieEcho{Cookie: c}))
	require.Len(t, p.b.assocs, 1)

	p = listening(t, func(c *core.Config) { c.CookieLife = 20 * time.Minute })
	tag, c = p.cookie(nil)
	p.w.now = p.w.now.Add(6 * time.Minute)
	p.cookie(nil)
	p.w.now = p.w.now.Add(6 * time.Minute)
	p.cookie(nil) // two rotations later
	require.Empty(t, p.inject(tag, &wire.CookieEcho{Cookie: c}))
	require.Empty(t, p.b.assocs)
}

func TestC14InitAckCookies(t *testing.T) { // RFC 9260 §3.3.3
	good := wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true}
	t.Run("none", func(t *testing.T) {
		w, a, b := two(t, 1, nil)
		var out []wire.Packet
		as := a.dial(b)
		a.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
		i := good
		i.HasCookie, i.Cookie = false, nil
		a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &i))
		require.Equal(t, core.Closed, as.State())
		require.Len(t, out, 1)
		require.Equal(t, wire.CauseMissingParam, causesOf(t, out[0])[0].Code)
		_ = w
	})
	t.Run("two", func(t *testing.T) { // the first one counts, and is all that is kept
		_, a, b := two(t, 1, nil)
		as := a.dial(b)
		var echoes []wire.CookieEcho
		a.tap = func(p wire.Packet) {
			var c wire.CookieEcho
			if c.Decode(p.First()) == nil {
				echoes = append(echoes, wire.CookieEcho{Cookie: append([]byte(nil), c.Cookie...)})
			}
		}
		i := good
		i.Cookie, i.Extra = []byte("first"), []byte{0, 7, 0, 10, 's', 'e', 'c', 'o', 'n', 'd'}
		a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &i))
		require.Equal(t, core.CookieEchoed, as.State())
		require.Equal(t, []wire.CookieEcho{{Cookie: []byte("first")}}, echoes)
	})
	t.Run("60 KiB", func(t *testing.T) {
		w, a, b := two(t, 1, nil)
		as := a.dial(b)
		i := good
		i.Cookie = make([]byte, 60<<10)
		a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &i))
		w.net.SetDefaultLink(simnet.Link{Loss: 1})
		w.run(20 * time.Minute)
		require.Equal(t, core.Closed, as.State(), "fails cleanly")
	})
}

// exchange makes the three packets by which b's cookie for a third party's INIT is
// obtained while an association exists.
func (v *victim) cookieFor(i *wire.Init) (ack wire.Init, tag wire.VTag) {
	out := v.inject(0, i)
	require.Len(v.t, out, 1)
	require.Equal(v.t, []wire.ChunkType{wire.TypeInitAck}, chunkTypes(out[0]))
	require.NoError(v.t, ack.Decode(out[0].First()))
	ack.Cookie = append([]byte(nil), ack.Cookie...)
	return ack, ack.InitiateTag
}

func TestC6ActionARestart(t *testing.T) { // RFC 9260 §5.2.4 action A
	v := attacked(t, nil)
	oldTag := v.as.LocalTag()
	require.NoError(t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("lost by the restart")))
	v.b.drain(v.as)
	ack, tag := v.cookieFor(&wire.Init{InitiateTag: 4242, ARwnd: 65536, OutStreams: 2, InStreams: 2, InitialTSN: 1000})
	require.NotEqual(t, oldTag, tag, "§5.2.2: a new tag")
	require.Equal(t, core.Established, v.as.State())
	require.Equal(t, oldTag, v.as.LocalTag(), "the INIT alone changes nothing")
	out := v.inject(tag, &wire.CookieEcho{Cookie: ack.Cookie}, &wire.Data{TSN: 1000, Begin: true, End: true, Payload: []byte("new life")})
	require.NotEmpty(t, out)
	require.Equal(t, wire.TypeCookieAck, out[0].First().Type(), "first in its packet")
	require.Equal(t, wire.VTag(4242), out[0].VTag)
	require.Equal(t, tag, v.as.LocalTag())
	require.Equal(t, 2, v.as.OutStreams())
	require.True(t, v.b.saw(core.EventRestart), "X3: never invisible to the user")
	buf := make([]byte, 100)
	_, n, err := v.as.Receive(v.w.now, buf)
	require.NoError(t, err)
	require.Equal(t, "new life", string(buf[:n]))
	require.Empty(t, v.inject(oldTag, &wire.Abort{}), "the old tag is dead")
	require.Equal(t, core.Established, v.as.State())
}

// X3: the user learns of a restart before it gets anything from after it.
func TestX3RestartComesFirst(t *testing.T) { // RFC 5062 §4
	v := attacked(t, nil)
	v.b.events = nil
	ack, tag := v.cookieFor(&wire.Init{InitiateTag: 4242, ARwnd: 65536, OutStreams: 2, InStreams: 2, InitialTSN: 1000})
	v.inject(tag, &wire.CookieEcho{Cookie: ack.Cookie}, data(1000, 0, "BE", "new life"))
	require.Len(t, v.b.events, 2)
	require.Equal(t, core.EventRestart, v.b.events[0].Kind)
	require.Equal(t, core.EventReadable, v.b.events[1].Kind)
	require.EqualValues(t, 1, v.as.Stats().Restarts)
}

func TestC6ActionARealRestart(t *testing.T) {
	w, a, b := connected(t, 4, nil)
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 20))
	a.assocs = nil // the peer's process died
	a.dial(b)
	w.until(10*time.Second, "established anew", func() bool { return a.only().State() == core.Established })
	require.True(t, b.saw(core.EventRestart))
	w.transfer(time.Minute, newFlow(a, b, 2, 2, 20), newFlow(b, a, 3, 2, 20))
}

func TestC6ActionBCollision(t *testing.T) { // RFC 9260 §5.2.4 action B, §5.2.1; C11
	for seed := range uint64(40) {
		w, a, b := two(t, 1000+seed, nil)
		a.listen = &core.Listening{Config: &a.cfg}
		if seed > 0 {
			w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, Jitter: 9 * time.Millisecond, Loss: 0.2})
		}
		ea := core.Endpoint{LocalPort: 5001, PeerPort: 5001}
		eb := ea
		ea.PeerAddrs = append(ea.PeerAddrs, addrB)
		eb.PeerAddrs = append(eb.PeerAddrs, addrA)
		x, err := core.Dial(w.now, &a.cfg, ea, a.resp)
		require.NoError(t, err)
		y, err := core.Dial(w.now, &b.cfg, eb, b.resp)
		require.NoError(t, err)
		a.assocs, b.assocs = append(a.assocs, x), append(b.assocs, y)
		a.drain(x)
		b.drain(y)
		w.until(time.Minute, "one association", func() bool {
			return x.State() == core.Established && y.State() == core.Established &&
				x.LocalTag() == y.PeerTag() && y.LocalTag() == x.PeerTag()
		})
		require.Len(t, a.assocs, 1)
		require.Len(t, b.assocs, 1)
		w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond})
		w.transfer(time.Minute, newFlow(a, b, 1, 2, 5), newFlow(b, a, 3, 2, 5))
	}
}

func TestC6ActionCLateCookieIsDiscarded(t *testing.T) { // RFC 9260 §5.2.4 action C
	// A cookie made for a's INIT before the association existed, echoed after it
	// does: our tag differs, the peer's matches, no tie-tags.
	w, a, b := two(t, 8, nil)
	as := a.dial(b)
	var out []wire.Packet
	b.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
	again := &wire.Init{InitiateTag: as.LocalTag(), ARwnd: 65536, OutStreams: 64, InStreams: 64, InitialTSN: a.firstTSN}
	b.receive(addrA, packetTo(5000, 5001, 0, again))
	w.until(time.Second, "established", func() bool { return as.State() == core.Established })
	tag := b.only().LocalTag()
	var late wire.Init
	for _, p := range out {
		var i wire.Init
		if p.First().Type() == wire.TypeInitAck && i.Decode(p.First()) == nil && i.InitiateTag != tag {
			late = i
		}
	}
	require.NotZero(t, late.InitiateTag)
	before := b.sent
	b.receive(addrA, packetTo(5000, 5001, late.InitiateTag, &wire.CookieEcho{Cookie: late.Cookie}))
	require.Equal(t, before, b.sent)
	require.Equal(t, tag, b.only().LocalTag())
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 5), newFlow(b, a, 3, 2, 5))
}

func TestC6ActionDDuplicateCookieEcho(t *testing.T) { // RFC 9260 §5.2.4 action D, case E of §5.2
	w, a, b := two(t, 8, nil)
	var echo []byte
	a.tap = func(p wire.Packet) {
		if p.First().Type() == wire.TypeCookieEcho {
			echo = append([]byte(nil), p.Bytes()...)
		}
	}
	a.dial(b)
	w.until(time.Second, "established", func() bool { return a.only().State() == core.Established })
	for _, later := range []time.Duration{0, 2 * time.Minute} { // even when the cookie is stale
		w.run(later)
		var out []wire.Packet
		b.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
		b.receive(addrA, echo)
		b.tap = nil
		require.Len(t, out, 1)
		require.Equal(t, wire.TypeCookieAck, out[0].First().Type())
	}
	require.False(t, b.saw(core.EventRestart))
	w.transfer(time.Minute, newFlow(a, b, 1, 2, 5), newFlow(b, a, 3, 2, 5))
}

func TestC12RestartWithNewAddresses(t *testing.T) { // RFC 9260 §5.2.2
	v := attacked(t, nil)
	i := &wire.Init{InitiateTag: 4242, ARwnd: 65536, OutStreams: 2, InStreams: 2, InitialTSN: 1000}
	i.Addrs = append(i.Addrs, addrA.Addr(), mustAddr("10.0.0.77"))
	out := v.inject(0, i)
	require.Len(t, out, 1)
	require.Equal(t, []wire.ChunkType{wire.TypeAbort}, chunkTypes(out[0]))
	require.Equal(t, wire.VTag(4242), out[0].VTag)
	causes := causesOf(t, out[0])
	require.Equal(t, wire.CauseRestartNewAddrs, causes[0].Code)
	require.Equal(t, []byte{0, 5, 0, 8, 10, 0, 0, 77}, causes[0].Info)
	v.alive()
}

func TestX2CookieDoesNotTellTheTags(t *testing.T) { // RFC 5062 §4
	v := attacked(t, nil)
	ack, _ := v.cookieFor(&wire.Init{InitiateTag: 4242, ARwnd: 65536, OutStreams: 2, InStreams: 2, InitialTSN: 1000})
	for _, tag := range []wire.VTag{v.as.LocalTag(), v.as.PeerTag()} {
		require.NotContains(t, string(ack.Cookie), string(binary.BigEndian.AppendUint32(nil, uint32(tag))))
	}
}
