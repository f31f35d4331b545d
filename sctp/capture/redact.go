package capture

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp/wire"
)

// redactor takes secrets out of packets. It keeps what it knows to be harmless and
// blanks all else.
type redactor struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

// newRedactor returns a redactor with a key of its own.
func newRedactor() *redactor {
	var key [sha256.Size]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand
	return &redactor{mac: hmac.New(sha256.New, key[:])}
}

// Places in a packet and in its chunks, in bytes.
const (
	offTag      = 4 // of the Verification Tag in the common header
	tagLen      = 4
	initFixed   = 16 // fixed fields of INIT and INIT ACK, the Initiate Tag first
	dataFixed   = 12 // of DATA: TSN, stream, SSN, PPID
	iDataFixed  = 16 // of I-DATA (RFC 8260 §2.1)
	authFixed   = 4  // of AUTH: key and algorithm (RFC 4895 §4.1)
	asconfFixed = 4  // of ASCONF and ASCONF-ACK: serial number (RFC 5061 §4.1)
)

// redact changes the SCTP packet b in place. Its checksum is right afterwards if it was
// before. Of a damaged packet nothing is kept but the common header: what looks like one
// chunk may be another.
func (r *redactor) redact(b []byte) {
	if len(b) < wire.HeaderLen {
		clear(b)
		return
	}
	valid := wire.VerifyChecksum(b)
	r.tag(b[offTag:])
	pkt, err := wire.ParseUnchecked(b)
	if err != nil || !valid {
		clear(b[wire.HeaderLen:])
	} else {
		for c := range pkt.Chunks() {
			r.chunk(c)
		}
	}
	if valid {
		wire.SetChecksum(b)
	}
}

// tag replaces the tag that b begins with. 0, which says that there is none, stays.
func (r *redactor) tag(b []byte) {
	if len(b) < tagLen || binary.BigEndian.Uint32(b) == 0 {
		return
	}
	r.mac.Reset()
	_, _ = r.mac.Write(b[:tagLen])
	copy(b, r.mac.Sum(r.sum[:0])[:tagLen])
}

// chunk blanks what is secret in a chunk.
func (r *redactor) chunk(c wire.RawChunk) {
	v := c.Value()
	switch c.Type() {
	case wire.TypeSack, wire.TypeShutdown, wire.TypeShutdownAck, wire.TypeCookieAck, wire.TypeShutdownComplete,
		wire.TypeECNE, wire.TypeCWR, wire.TypeForwardTSN, wire.TypeIForwardTSN:
	case wire.TypeData:
		blank(v, dataFixed)
	case wire.TypeIData:
		blank(v, iDataFixed)
	case wire.TypeAuth:
		blank(v, authFixed)
	case wire.TypeInit, wire.TypeInitAck:
		r.tag(v)
		blankTLVs(v, initFixed, harmlessParams)
	case wire.TypeReconfig:
		blankTLVs(v, 0, harmlessParams)
	case wire.TypeAsconf, wire.TypeAsconfAck:
		blankTLVs(v, asconfFixed, harmlessParams)
	case wire.TypeHeartbeat, wire.TypeHeartbeatAck:
		blankTLVs(v, 0, nil)
	case wire.TypeAbort, wire.TypeError:
		blankTLVs(v, 0, harmlessCauses)
	default: // COOKIE ECHO, PAD, and what nobody knows
		clear(v)
	}
}

// harmlessParams are the parameters of chunks that the file keeps.
var harmlessParams = []uint16{
	uint16(wire.ParamIPv4), uint16(wire.ParamIPv6), uint16(wire.ParamCookiePreservative),
	uint16(wire.ParamSupportedAddrTypes), uint16(wire.ParamECN), uint16(wire.ParamZeroChecksum),
	uint16(wire.ParamChunkList), uint16(wire.ParamHMACAlgorithms), uint16(wire.ParamSupportedExtensions),
	uint16(wire.ParamForwardTSN), uint16(wire.ParamAdaptation),
	uint16(wire.ParamOutgoingReset), uint16(wire.ParamIncomingReset), uint16(wire.ParamTSNReset), uint16(wire.ParamReconfigResponse),
	uint16(wire.ParamAddOutgoingStreams), uint16(wire.ParamAddIncomingStreams),
	uint16(wire.ParamAddAddress), uint16(wire.ParamDeleteAddress), uint16(wire.ParamSetPrimary), uint16(wire.ParamSuccess),
}

// harmlessCauses are the error causes that the file keeps: they quote nothing.
var harmlessCauses = []uint16{
	uint16(wire.CauseInvalidStream), uint16(wire.CauseMissingParam), uint16(wire.CauseStaleCookie),
	uint16(wire.CauseNoUserData), uint16(wire.CauseRestartNewAddrs), uint16(wire.CauseRestartNewEncapsPort),
}

// blankTLVs blanks the values of all parameters behind the first n bytes of b, but those
// of the types to keep, and whatever follows the last that is well-formed.
func blankTLVs(b []byte, n int, keep []uint16) {
	b = b[min(n, len(b)):]
	r := tlv.NewReader(b)
	for {
		begin := r.Offset()
		p, ok := r.Next()
		if !ok {
			blank(b, begin)
			return
		}
		if !slices.Contains(keep, p.Type) {
			clear(p.Value)
		}
	}
}

// blank zeroes what follows the first n bytes of b.
func blank(b []byte, n int) { clear(b[min(n, len(b)):]) }
