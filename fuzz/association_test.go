package fuzz

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

var (
	hostA = netip.MustParseAddrPort("10.0.0.1:9899")
	hostB = netip.MustParseAddrPort("10.0.0.2:9899")
)

// pcg is a deterministic source of randomness for a core.
type pcg struct{ *rand.Rand }

func (p pcg) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.Uint32())
	}
	return len(b), nil
}

// end is one end of an association under test.
type end struct {
	t     *testing.T
	cfg   core.Config
	resp  *core.Responder
	as    *core.Association
	addr  netip.AddrPort
	peer  netip.AddrPort
	buf   []byte
	inTSN wire.TSN // first TSN of the peer
}

func newEnd(t *testing.T, seed uint64, now time.Time, addr, peer netip.AddrPort) *end {
	e := &end{t: t, cfg: core.DefaultConfig(), addr: addr, peer: peer, buf: make([]byte, 0, 64<<10)}
	e.cfg.Rand = pcg{rand.New(rand.NewPCG(seed, 7))}
	e.cfg.RecvBuffer = 16 << 10
	r, err := core.NewResponder(now, e.cfg.Rand)
	require.NoError(t, err)
	e.resp = r
	return e
}

// drain takes all output and checks it: well-formed packets, in finite number.
func (e *end) drain(now time.Time) [][]byte {
	var out [][]byte
	for {
		tr, ok := e.as.PollTransmit(now, e.buf, 1)
		if !ok {
			break
		}
		pkt, err := wire.Parse(tr.Data)
		require.NoError(e.t, err, "a malformed packet was sent")
		require.LessOrEqual(e.t, len(tr.Data), 1472)
		if t := pkt.First().Type(); t != wire.TypeInit && t != wire.TypeAbort && t != wire.TypeShutdownComplete && t != wire.TypeInitAck && t != wire.TypeError {
			require.Equal(e.t, e.as.PeerTag(), pkt.VTag)
		}
		out = append(out, append([]byte(nil), tr.Data...))
		require.Less(e.t, len(out), 2000, "PollTransmit does not end")
	}
	for {
		if _, ok := e.as.PollEvent(); !ok {
			break
		}
	}
	return out
}

func (e *end) receive(now time.Time, b []byte, l *core.Listening) [][]byte {
	pkt, err := wire.Parse(b)
	if err != nil {
		return nil
	}
	in := core.Inbound{Local: e.addr.Addr(), Remote: e.peer}
	if e.as != nil && e.as.State() != core.Closed {
		e.as.HandlePacket(now, in, pkt)
		return e.drain(now)
	}
	tr, as := e.resp.HandlePacket(now, in, pkt, l, e.buf)
	if as != nil {
		e.as = as
		return e.drain(now)
	}
	if tr.Data != nil {
		return [][]byte{append([]byte(nil), tr.Data...)}
	}
	return nil
}

// pair is two ends with an established association between them.
type pair struct {
	now    time.Time
	a, b   *end
	listen *core.Listening
}

func establish(t *testing.T) *pair {
	p := &pair{now: time.Unix(1_700_000_000, 0)}
	p.a = newEnd(t, 1, p.now, hostA, hostB)
	p.b = newEnd(t, 2, p.now, hostB, hostA)
	p.listen = &core.Listening{Config: &p.b.cfg}
	as, err := core.Dial(p.now, &p.a.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001, PeerAddrs: []netip.AddrPort{hostB}}, p.a.resp)
	require.NoError(t, err)
	p.a.as = as
	toB := p.a.drain(p.now)
	for range 4 {
		var toA [][]byte
		for _, b := range toB {
			p.b.note(b)
			toA = append(toA, p.b.receive(p.now, b, p.listen)...)
		}
		toB = nil
		for _, b := range toA {
			p.a.note(b)
			toB = append(toB, p.a.receive(p.now, b, nil)...)
		}
	}
	require.Equal(t, core.Established, p.a.as.State())
	require.Equal(t, core.Established, p.b.as.State())
	return p
}

// note remembers the first TSN that an INIT or INIT ACK announces.
func (e *end) note(b []byte) {
	pkt, err := wire.Parse(b)
	if err != nil {
		return
	}
	var i wire.Init
	if t := pkt.First().Type(); (t == wire.TypeInit || t == wire.TypeInitAck) && i.Decode(pkt.First()) == nil {
		e.inTSN = i.InitialTSN
	}
}

// relocate makes the TSNs of a forged chunk fall where they do something: near
// what the victim expects or has sent.
func relocate(chunk []byte, in, out wire.TSN) {
	if len(chunk) < 8 {
		return
	}
	v := binary.BigEndian.Uint32(chunk[4:])
	switch wire.ChunkType(chunk[0]) {
	case wire.TypeData:
		binary.BigEndian.PutUint32(chunk[4:], uint32(in)+v%64)
	case wire.TypeSack, wire.TypeShutdown:
		binary.BigEndian.PutUint32(chunk[4:], uint32(out)-1+v%32)
	}
}

// FuzzAssociation feeds an established association packets with the right tag,
// ports and checksum, whose chunks are the input, and interleaves them with time,
// sends, reads and a shutdown. Whatever comes, packets sent are well-formed, no
// packet brings more than a few out, and memory stays within the receive buffer.
func FuzzAssociation(f *testing.F) {
	add := func(chunks ...interface{ AppendTo([]byte) []byte }) {
		var b []byte
		for _, c := range chunks {
			one := c.AppendTo(nil)
			b = append(b, 0, byte(len(one)/4))
			b = append(b, one...)
		}
		f.Add(b)
	}
	add(&wire.Data{TSN: 0, Begin: true, End: true, Payload: []byte("data")}, &wire.Data{TSN: 2, Begin: true, Payload: []byte("frag")}, &wire.Data{TSN: 3, End: true, Payload: []byte("ment")})
	add(&wire.Sack{CumTSN: 3, ARwnd: 5000, Gaps: []wire.GapBlock{{Start: 2, End: 3}}, Dups: []wire.TSN{1}})
	add(&wire.Heartbeat{Info: []byte("nonce")}, &wire.Shutdown{CumTSN: 5}, &wire.ShutdownAck{}, &wire.ShutdownComplete{})
	add(&wire.OperationError{Causes: wire.AppendStaleCookie(nil, 7)}, &wire.CookieAck{}, &wire.CookieEcho{Cookie: make([]byte, 99)}, &wire.Abort{})
	add(&wire.Init{InitiateTag: 1, ARwnd: 9000, OutStreams: 1, InStreams: 1}, &wire.Init{Ack: true, InitiateTag: 1, ARwnd: 9000, OutStreams: 1, InStreams: 1, HasCookie: true, Cookie: []byte("c")})
	f.Fuzz(func(t *testing.T, in []byte) {
		p := establish(t)
		v := p.b
		first := p.a.inTSN
		// b's own data, so that SACKs have something to talk about.
		for range 8 {
			_ = v.as.Send(p.now, &core.Outgoing{}, make([]byte, 900))
		}
		v.drain(p.now)
		for steps := 0; len(in) >= 2 && steps < 64; steps++ {
			op, n := in[0], int(in[1])*4
			in = in[2:]
			n = min(n, len(in), 1400)
			body := append([]byte(nil), in[:n]...)
			in = in[n:]
			sent := p.act(v, op, body, first)
			require.LessOrEqual(t, sent, 40)
			require.LessOrEqual(t, v.as.Held(), v.cfg.RecvBuffer*5/4)
			if v.as.State() == core.Closed {
				_, running := v.as.NextTimeout()
				require.False(t, running, "a closed association has no timers")
			}
		}
		// Whatever happened, it ends in bounded time once the peer is gone.
		for i := 0; v.as.State() != core.Closed && i < 5000; i++ {
			when, ok := v.as.NextTimeout()
			if !ok {
				break
			}
			p.now = when
			v.as.HandleTimeout(p.now)
			v.drain(p.now)
		}
		require.Equal(t, core.Closed, v.as.State())
	})
}

// act performs one step of the input and returns how many packets came out.
func (p *pair) act(v *end, op byte, body []byte, first wire.TSN) int {
	switch op % 8 {
	case 1:
		p.now = p.now.Add(time.Duration(len(body)) * 10 * time.Millisecond)
		if when, ok := v.as.NextTimeout(); ok && !when.After(p.now) {
			v.as.HandleTimeout(p.now)
		}
	case 2:
		_ = v.as.Send(p.now, &core.Outgoing{Stream: wire.StreamID(op >> 3), Unordered: op&64 != 0}, body)
	case 3:
		_, _, _ = v.as.Receive(p.now, make([]byte, 100))
	case 4:
		if op>>3 == 31 {
			_ = v.as.Shutdown(p.now)
		}
	default:
		if len(body) < 4 {
			return 0
		}
		binary.BigEndian.PutUint16(body[2:], uint16(max(4, len(body)-int(op>>6))))
		relocate(body, first, p.a.inTSN)
		b := wire.Header{SrcPort: 5000, DstPort: 5001, VTag: v.as.LocalTag()}.AppendTo(nil)
		if wire.ChunkType(body[0]) == wire.TypeInit {
			b = wire.Header{SrcPort: 5000, DstPort: 5001}.AppendTo(nil)
		}
		b = append(b, body...)
		wire.SetChecksum(b)
		return len(v.receive(p.now, b, nil))
	}
	return len(v.drain(p.now))
}
