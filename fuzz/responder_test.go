package fuzz

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// stranger sends packets that belong to no association.
type stranger struct {
	t      *testing.T
	now    time.Time
	cfg    core.Config
	resp   *core.Responder
	listen bool
	buf    []byte
	ack    wire.Init // the last INIT ACK that came back
	in     []byte
}

func newStranger(t *testing.T, in []byte) *stranger {
	s := &stranger{t: t, now: time.Unix(1_700_000_000, 0), cfg: core.DefaultConfig(), listen: true, buf: make([]byte, 0, 64<<10), in: in}
	s.cfg.Rand = pcg{rand.New(rand.NewPCG(9, 7))}
	var err error
	s.resp, err = core.NewResponder(s.now, s.cfg.Rand)
	require.NoError(t, err)
	return s
}

func (s *stranger) byte() byte {
	if len(s.in) == 0 {
		return 0
	}
	b := s.in[0]
	s.in = s.in[1:]
	return b
}

func (s *stranger) bytes(n int) []byte {
	n = min(n, len(s.in))
	b := bytes.Clone(s.in[:n])
	s.in = s.in[n:]
	return b
}

// maxAnswer is the largest answer to a packet out of the blue: an INIT ACK with 16
// addresses in its cookie and all the parameters it may give back.
const maxAnswer = 1400

// give hands in a packet and checks what comes of it: at most one answer, well-formed
// and bounded, to where the packet came from; none to an ABORT; an association only of
// a cookie that was sealed here and not touched.
func (s *stranger) give(tag wire.VTag, chunks []byte, genuine bool) {
	b := append(wire.Header{SrcPort: 5000, DstPort: 5001, VTag: tag}.AppendTo(nil), chunks...)
	wire.SetChecksum(b)
	pkt, err := wire.Parse(b)
	if err != nil {
		return
	}
	var l *core.Listening
	if s.listen {
		l = &core.Listening{Config: &s.cfg, LocalAddrs: []netip.Addr{hostB.Addr(), netip.MustParseAddr("10.0.1.2")}}
	}
	tr, as := s.resp.HandlePacket(s.now, core.Inbound{Local: hostB.Addr(), Remote: hostA}, pkt, l, s.buf)
	if as != nil {
		require.True(s.t, genuine && s.listen, "an association of a cookie that is not ours")
		require.Nil(s.t, tr.Data)
		s.check(as)
		return
	}
	if tr.Data == nil {
		return
	}
	require.Equal(s.t, hostA, tr.Remote)
	require.Equal(s.t, hostB.Addr(), tr.Local)
	require.LessOrEqual(s.t, len(tr.Data), maxAnswer)
	out, err := wire.Parse(tr.Data)
	require.NoError(s.t, err, "a malformed packet was sent")
	for c := range pkt.Chunks() {
		require.NotEqual(s.t, wire.TypeAbort, c.Type(), "an ABORT was answered")
	}
	if out.First().Type() == wire.TypeInitAck {
		require.NoError(s.t, s.ack.Decode(out.First()))
		s.ack.Cookie = bytes.Clone(s.ack.Cookie)
		require.Equal(s.t, wire.TypeInit, pkt.First().Type())
		return
	}
	require.LessOrEqual(s.t, len(tr.Data), len(b)+300, "an answer much larger than the question")
}

// check drains a new association and sees it end when nobody answers.
func (s *stranger) check(as *core.Association) {
	now := s.now
	for i := 0; ; i++ {
		for {
			tr, ok := as.PollTransmit(now, s.buf, 1)
			if !ok {
				break
			}
			_, err := wire.Parse(tr.Data)
			require.NoError(s.t, err)
		}
		for {
			if _, ok := as.PollEvent(); !ok {
				break
			}
		}
		require.NoError(s.t, as.Verify())
		when, ok := as.NextTimeout()
		if !ok {
			break
		}
		require.Less(s.t, i, 2000, "it does not end")
		now = when
		as.HandleTimeout(now)
	}
	require.Equal(s.t, core.Closed, as.State())
}

// init is an INIT with fields and further parameters from the input.
func (s *stranger) init() []byte {
	x := s.byte()
	i := wire.Init{InitiateTag: wire.VTag(s.byte()), ARwnd: uint32(s.byte()) << 8, OutStreams: uint16(s.byte()), InStreams: uint16(s.byte()), InitialTSN: wire.TSN(x)}
	for range x % 32 {
		i.Addrs = append(i.Addrs, netip.AddrFrom4([4]byte(append(s.bytes(4), 1, 2, 3, 4)[:4])))
	}
	if x&64 != 0 {
		i.CookiePreservative, i.HasPreservative = uint32(s.byte())<<12, true
	}
	b := i.AppendTo(nil)
	if x&128 != 0 {
		b = append(b, s.bytes(int(s.byte())*4)...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return b
}

// FuzzResponder: strangers send INITs, cookies that are ours, old, or changed, and
// anything else, with tags that fit or do not.
func FuzzResponder(f *testing.F) {
	f.Add([]byte{0, 0, 1, 99, 9, 9, 1})                                   // INIT, COOKIE ECHO
	f.Add([]byte{0, 0x42, 1, 99, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 77, 1})    // with addresses, preservative
	f.Add([]byte{0, 0, 1, 99, 9, 9, 3, 255, 255, 1})                      // stale
	f.Add([]byte{0, 0, 1, 99, 9, 9, 2, 50, 1, 1})                         // touched
	f.Add([]byte{0, 0, 1, 99, 9, 9, 4, 1, 5, 1, 0})                       // nobody listens
	f.Add([]byte{5, 0, 2, 8, 0, 0, 8, 1, 2, 3, 4, 5, 1, 1, 9, 0, 0, 4})   // out of the blue
	f.Add([]byte{0, 0x80, 1, 99, 9, 9, 4, 0xc0, 1, 0, 8, 1, 2, 3, 4, 1})  // unknown parameters
	f.Add([]byte{6, 0, 0, 1, 99, 9, 9, 6, 3, 0, 0, 5, 1, 0, 1, 2, 3, 99}) // bundled
	for _, b := range seeds(f, "../sctp/wire/testdata/sctp-a*.pcapng") {
		f.Add(append([]byte{5, 1, byte((len(b) - 12) / 4)}, b[12:]...))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := newStranger(t, in)
		for n := 0; len(s.in) > 0 && n < 100; n++ {
			s.step()
		}
	})
}

func (s *stranger) step() {
	echo := (&wire.CookieEcho{Cookie: s.ack.Cookie}).AppendTo(nil)
	have := len(s.ack.Cookie) > 0
	switch s.byte() % 7 {
	case 0:
		s.give(0, s.init(), false)
	case 1:
		if have {
			s.give(s.ack.InitiateTag, echo, true)
		}
	case 2: // changed
		at, x := int(s.byte()), s.byte()
		if have && x != 0 {
			echo[4+at%len(s.ack.Cookie)] ^= x
			s.give(s.ack.InitiateTag, echo, false)
		}
	case 3:
		s.now = s.now.Add(time.Duration(int16(binary.BigEndian.Uint16(append(s.bytes(2), 0, 0)))) * 10 * time.Millisecond)
	case 4:
		s.listen = s.byte()&1 == 0
	case 5: // anything
		tag := []wire.VTag{0, 1, s.ack.InitiateTag, 0xffffffff}[s.byte()%4]
		b := s.bytes(int(s.byte()) * 4)
		if len(b) >= 4 {
			binary.BigEndian.PutUint16(b[2:], uint16(max(4, len(b)-int(b[1]%4))))
			s.give(tag, b, len(b) >= len(echo) && have && bytes.HasPrefix(b[4:], s.ack.Cookie))
		}
	case 6: // a cookie with something behind it
		if have {
			s.give(s.ack.InitiateTag, append(echo, s.bytes(int(s.byte())*4)...), true)
		}
	}
}
