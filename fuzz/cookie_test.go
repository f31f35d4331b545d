package fuzz

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// recorder remembers the random bytes that a core was given.
type recorder struct {
	io.Reader
	got []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.got = append(r.got, b[:n]...)
	return n, err
}

// Offsets in a State Cookie.
const (
	cookiePorts = 2 + 8 + 8
	cookieTag   = cookiePorts + 4
	cookieMAC   = sha256.Size
)

// cookieJar is a responder whose key is known.
type cookieJar struct {
	now    time.Time
	listen core.Listening
	resp   *core.Responder
	key    []byte
}

func newCookieJar(t require.TestingT) *cookieJar {
	rec := &recorder{Reader: pcg{rand.New(rand.NewPCG(3, 7))}}
	j := &cookieJar{now: time.Unix(1_700_000_000, 0)}
	cfg := core.DefaultConfig()
	cfg.Rand = rec
	cfg.RecvBuffer = 16 << 10
	j.listen = core.Listening{Config: &cfg}
	var err error
	j.resp, err = core.NewResponder(j.now, rec)
	require.NoError(t, err)
	j.key = bytes.Clone(rec.got[:32]) // the first thing that is drawn
	return j
}

func (j *cookieJar) handle(h wire.Header, c interface{ AppendTo([]byte) []byte }) (core.Transmit, *core.Association) {
	b := c.AppendTo(h.AppendTo(nil))
	wire.SetChecksum(b)
	pkt, err := wire.Parse(b)
	if err != nil {
		return core.Transmit{}, nil // a port of 0, say
	}
	return j.resp.HandlePacket(j.now, core.Inbound{Local: hostB.Addr(), Remote: hostA}, pkt, &j.listen, make([]byte, 0, 64<<10))
}

// cookie gets a cookie by an INIT and proves that the key is the right one.
func (j *cookieJar) cookie(t require.TestingT, addrs ...netip.Addr) []byte {
	tr, as := j.handle(wire.Header{SrcPort: 5000, DstPort: 5001}, &wire.Init{
		InitiateTag: 7, ARwnd: 1 << 16, OutStreams: 10, InStreams: 10, InitialTSN: 1, Addrs: addrs,
	})
	require.Nil(t, as)
	pkt, err := wire.Parse(tr.Data)
	require.NoError(t, err)
	var ack wire.Init
	require.NoError(t, ack.Decode(pkt.First()))
	c := bytes.Clone(ack.Cookie)
	n := len(c) - cookieMAC
	require.Equal(t, c, j.seal(c[:n]))
	return c
}

// seal authenticates any content.
func (j *cookieJar) seal(content []byte) []byte {
	m := hmac.New(sha256.New, j.key)
	m.Write(content)
	return m.Sum(bytes.Clone(content))
}

// FuzzCookie: State Cookies of any content with a right MAC, echoed with the tag
// and ports that they name, so that what is behind the MAC is reached. An
// association that is made of one sends well-formed packets only and ends when its
// peer stays silent.
func FuzzCookie(f *testing.F) {
	j := newCookieJar(f)
	one := j.cookie(f)
	tag := wire.VTag(binary.BigEndian.Uint32(one[cookieTag:]))
	_, as := j.handle(wire.Header{SrcPort: 5000, DstPort: 5001, VTag: tag}, &wire.CookieEcho{Cookie: j.seal(one[:len(one)-cookieMAC])})
	require.NotNil(f, as, "this target gets past the MAC")
	f.Add(one[:len(one)-cookieMAC], false)
	many := j.cookie(f, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("2001:db8::1"))
	f.Add(many[:len(many)-cookieMAC], true)
	f.Add(one[:30], false)
	f.Add([]byte{1, 0}, false)
	f.Fuzz(func(t *testing.T, content []byte, late bool) {
		if len(content) > 16<<10 {
			return
		}
		j := newCookieJar(t)
		if late {
			j.now = j.now.Add(time.Minute + time.Second)
		}
		h := wire.Header{SrcPort: 5000, DstPort: 5001, VTag: 1}
		if len(content) >= cookieTag+4 {
			be := binary.BigEndian
			h.DstPort, h.SrcPort = be.Uint16(content[cookiePorts:]), be.Uint16(content[cookiePorts+2:])
			h.VTag = wire.VTag(be.Uint32(content[cookieTag:]))
		}
		tr, as := j.handle(h, &wire.CookieEcho{Cookie: j.seal(content)})
		if tr.Data != nil {
			require.Nil(t, as)
			_, err := wire.Parse(tr.Data)
			require.NoError(t, err)
			require.LessOrEqual(t, len(tr.Data), 200)
		}
		if as == nil {
			return
		}
		require.Equal(t, h.VTag, as.LocalTag())
		require.LessOrEqual(t, len(as.Paths()), 64)
		e := &end{t: t, cfg: *j.listen.Config, as: as, addr: hostB, peer: hostA, buf: make([]byte, 0, 64<<10)}
		e.drain(j.now)
		_ = as.Send(j.now, &core.Outgoing{}, []byte("anybody there?"))
		for i := 0; as.State() != core.Closed; i++ {
			require.Less(t, i, 5000, "an association without a peer does not end")
			when, ok := as.NextTimeout()
			require.True(t, ok)
			j.now = when
			as.HandleTimeout(j.now)
			e.drain(j.now)
		}
	})
}
