package core

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp/wire"
)

// cookie is the content of a State Cookie: all that is needed to make an
// association of it (RFC 9260 §5.1.3). It is authenticated, not encrypted: it
// holds nothing that the peer does not know.
type cookie struct {
	created             time.Time
	life                time.Duration
	localPort, peerPort uint16
	localTag, peerTag   wire.VTag
	localTSN, peerTSN   wire.TSN
	peerRwnd            uint32
	outStreams          uint16 // negotiated
	inStreams           uint16
	tieLocal, tiePeer   uint32 // 0: there was no association when the INIT came
	local               netip.Addr
	told                uint32 // digest of the addresses listed in the INIT ACK
	families            families
	ecn                 bool             // both ends can
	peers               []netip.AddrPort // source of the INIT first
}

const (
	cookieVersion = 1
	cookieECN     = 0x80 // in the number of addresses
	macLen        = sha256.Size
	// keyLife is how long a key seals. It opens until its successor is replaced in
	// turn, so no cookie lives longer than twice that, whatever it says.
	keyLife = 5 * time.Minute
)

// keyring is the current and the previous cookie key.
type keyring struct {
	rand      io.Reader
	keys      [2][32]byte
	macs      [2]hash.Hash
	serial    uint8 // of keys[0]; the cookie names its key by it
	since     time.Time
	sum       [macLen]byte
	prevValid bool
}

func (k *keyring) init(now time.Time, rand io.Reader) error {
	k.rand, k.since = rand, now
	if _, err := io.ReadFull(rand, k.keys[0][:]); err != nil {
		return err
	}
	k.macs[0] = hmac.New(sha256.New, k.keys[0][:])
	return nil
}

// rotate replaces the key when its time is over. If the random source fails the
// old key stays in use.
func (k *keyring) rotate(now time.Time) {
	age := now.Sub(k.since)
	if age < 0 {
		k.since = now // the clock was set back: do not let the key live on for that
	}
	if age < keyLife {
		return
	}
	var fresh [32]byte
	if _, err := io.ReadFull(k.rand, fresh[:]); err != nil {
		return
	}
	k.keys[1], k.macs[1] = k.keys[0], k.macs[0]
	k.prevValid = age < 2*keyLife
	k.keys[0] = fresh
	k.macs[0] = hmac.New(sha256.New, fresh[:])
	k.serial++
	k.since = now
}

func (k *keyring) mac(i int, b []byte) []byte {
	h := k.macs[i]
	h.Reset()
	_, _ = h.Write(b)
	return h.Sum(k.sum[:0])
}

// seal appends the authenticated cookie to b.
func (k *keyring) seal(c *cookie, b []byte) []byte {
	k.rotate(c.created)
	start := len(b)
	b = append(b, cookieVersion, k.serial)
	b = c.appendTo(b)
	return append(b, k.mac(0, b[start:])...)
}

// open authenticates a cookie and decodes it. It costs one HMAC at most.
func (k *keyring) open(now time.Time, b []byte) (*cookie, bool) {
	k.rotate(now)
	n := len(b) - macLen
	if n < 2 || b[0] != cookieVersion {
		return nil, false
	}
	i := 0
	if b[1] != k.serial {
		if i = 1; b[1] != k.serial-1 || !k.prevValid {
			return nil, false
		}
	}
	if !hmac.Equal(k.mac(i, b[:n]), b[n:]) {
		return nil, false
	}
	return decodeCookie(b[2:n])
}

func (c *cookie) appendTo(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(c.created.UnixNano()))
	b = be.AppendUint64(b, uint64(c.life))
	b = be.AppendUint16(b, c.localPort)
	b = be.AppendUint16(b, c.peerPort)
	b = be.AppendUint32(b, uint32(c.localTag))
	b = be.AppendUint32(b, uint32(c.peerTag))
	b = be.AppendUint32(b, uint32(c.localTSN))
	b = be.AppendUint32(b, uint32(c.peerTSN))
	b = be.AppendUint32(b, c.peerRwnd)
	b = be.AppendUint16(b, c.outStreams)
	b = be.AppendUint16(b, c.inStreams)
	b = be.AppendUint32(b, c.tieLocal)
	b = be.AppendUint32(b, c.tiePeer)
	b = appendAddr(b, c.local)
	n := byte(len(c.peers))
	if c.ecn {
		n |= cookieECN
	}
	b = append(b, n)
	for _, p := range c.peers {
		b = appendAddr(b, p.Addr())
		b = be.AppendUint16(b, p.Port())
	}
	if c.told != 0 { // as small as possible (§5.1.3): of no use to a single-homed end
		b = append(be.AppendUint32(b, c.told), byte(c.families))
	}
	return b
}

// place gives link-local addresses the zone of the packet that returned the cookie,
// which holds none.
func (c *cookie) place(source netip.Addr) {
	for i, p := range c.peers {
		c.peers[i] = netip.AddrPortFrom(onLinkOf(p.Addr(), source), p.Port())
	}
}

// appendAddr writes an address behind a byte with its length.
func appendAddr(b []byte, a netip.Addr) []byte {
	s := a.WithZone("").AsSlice()
	return append(append(b, byte(len(s))), s...)
}

func readAddr(r *tlv.Reader) netip.Addr {
	n := int(r.U8())
	if n == 0 {
		return netip.Addr{}
	}
	a, ok := netip.AddrFromSlice(r.Bytes(n))
	if !ok {
		r.Fail(tlv.ErrLength)
	}
	return a
}

// decodeCookie is strict: every byte must be accounted for.
func decodeCookie(b []byte) (*cookie, bool) {
	r := tlv.NewReader(b)
	c := &cookie{
		created:   time.Unix(0, int64(r.U64())),
		life:      time.Duration(r.U64()),
		localPort: r.U16(), peerPort: r.U16(),
		localTag: wire.VTag(r.U32()), peerTag: wire.VTag(r.U32()),
		localTSN: wire.TSN(r.U32()), peerTSN: wire.TSN(r.U32()),
		peerRwnd:   r.U32(),
		outStreams: r.U16(), inStreams: r.U16(),
		tieLocal: r.U32(), tiePeer: r.U32(),
		local: readAddr(&r),
	}
	peers := r.U8()
	c.ecn = peers&cookieECN != 0
	for n := int(peers &^ cookieECN); n > 0 && r.Err() == nil; n-- {
		a := readAddr(&r)
		c.peers = append(c.peers, netip.AddrPortFrom(a, r.U16()))
	}
	if r.Err() == nil && r.Len() > 0 {
		c.told, c.families = r.U32(), families(r.U8())
	}
	ok := r.Err() == nil && r.Len() == 0 && len(c.peers) > 0 && len(c.peers) <= maxPeerAddrs &&
		c.localTag != 0 && c.peerTag != 0 && c.life >= 0
	return c, ok
}
