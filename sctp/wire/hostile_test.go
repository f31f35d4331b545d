package wire_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// alone copies b into memory that ends where b ends.
func alone(b []byte) []byte { return slices.Clip(bytes.Clone(b)) }

// P1: each chunk cut at each byte. If the length field is left alone, the packet
// is malformed. If it is made to fit, the decoder either fails or has really
// understood what is left.
func TestP1TruncatedChunks(t *testing.T) {
	for _, s := range samples {
		whole := rawChunk(t, unhex(t, s.hex)).Bytes()
		for n := 1; n < len(whole); n++ {
			_, err := wire.Parse(alone(packet(whole[:n])))
			require.ErrorIs(t, err, wire.ErrTruncated, "%s cut at %d", s.name, n)
			_, err = wire.Parse(alone(packet(chunk(wire.TypeCookieAck, 0), whole[:n])))
			require.ErrorIs(t, err, wire.ErrTruncated, "%s cut at %d, second", s.name, n)
			if n < wire.ChunkHeaderLen {
				continue
			}
			cut := bytes.Clone(whole[:n])
			binary.BigEndian.PutUint16(cut[2:], uint16(n))
			p, err := wire.Parse(alone(packet(cut)))
			require.NoError(t, err)
			d, err := wire.DecodeChunk(p.First())
			if fixedSize(p.First().Type()) {
				require.Error(t, err, "%s cut at %d", s.name, n)
			}
			if err != nil {
				requireChunkError(t, err, p.First().Type())
				continue
			}
			got := rawChunk(t, d.AppendTo(nil)).Bytes()
			if len(got) < n { // the last parameter's padding was in the length
				require.Equal(t, make([]byte, n-len(got)), cut[len(got):])
				got, cut = got[4:], cut[4:len(got)]
			}
			require.Equal(t, cut, got, "%s cut at %d", s.name, n)
		}
	}
}

// fixedSize says of which types every shorter form is an error.
func fixedSize(t wire.ChunkType) bool {
	switch t {
	case wire.TypeSack, wire.TypeShutdown, wire.TypeShutdownAck, wire.TypeCookieAck, wire.TypeShutdownComplete, wire.TypeECNE, wire.TypeCWR:
		return true
	}
	return false
}

// requireChunkError checks that err is an *Error about a chunk of type typ.
func requireChunkError(t *testing.T, err error, typ wire.ChunkType) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, typ, e.Chunk)
	require.False(t, e.InPacket)
	require.NotEmpty(t, e.Error())
}

// initFixed is the fixed part of an INIT's value.
var initFixed = []byte{0, 0, 0, 1, 0, 0, 5, 220, 0, 1, 0, 1, 0, 0, 0, 1}

// holders builds, for each chunk type with parameters or causes, a chunk whose
// value ends with the given bytes. The chunk's length is as given, its padding
// zero.
var holders = map[string]func(tlvs ...byte) []byte{
	"INIT":          func(b ...byte) []byte { return chunk(wire.TypeInit, 0, slices.Concat(initFixed, b)...) },
	"INIT ACK":      func(b ...byte) []byte { return chunk(wire.TypeInitAck, 0, slices.Concat(initFixed, b)...) },
	"HEARTBEAT":     func(b ...byte) []byte { return chunk(wire.TypeHeartbeat, 0, b...) },
	"HEARTBEAT ACK": func(b ...byte) []byte { return chunk(wire.TypeHeartbeatAck, 0, b...) },
	"ABORT":         func(b ...byte) []byte { return chunk(wire.TypeAbort, 0, b...) },
	"ERROR":         func(b ...byte) []byte { return chunk(wire.TypeError, 0, b...) },
}

// decode parses and decodes one chunk.
func decode(t *testing.T, c []byte) (wire.Chunk, error) {
	t.Helper()
	return wire.DecodeChunk(rawChunk(t, c))
}

// P3: a parameter or cause with a length below 4, first or after others, also
// after one that ends processing.
func TestP3ParameterLengthBelowHeader(t *testing.T) {
	skip, stop := param(0x8FFF, 1), param(0x0FFF, 1)
	info := param(wire.ParamHeartbeatInfo, 1, 2, 3, 4)
	for name, hold := range holders {
		for n := range byte(4) {
			for _, typ := range []byte{1, 5, 7, 12} {
				bad := []byte{0, typ, 0, n}
				for _, before := range [][]byte{nil, info, skip, stop, slices.Concat(info, skip), slices.Concat(stop, info)} {
					for _, after := range [][]byte{nil, info} {
						_, err := decode(t, hold(slices.Concat(before, bad, after)...))
						require.ErrorIs(t, err, wire.ErrLength, "%s: type %d length %d after %x", name, typ, n, before)
					}
				}
			}
		}
	}
}

// P4: chunks of one fixed size with any other, and those whose mandatory part is
// missing.
func TestP4WrongChunkLengths(t *testing.T) {
	for _, c := range []struct {
		typ  wire.ChunkType
		size int // of the value
	}{
		{wire.TypeCookieAck, 0}, {wire.TypeShutdownAck, 0}, {wire.TypeShutdownComplete, 0}, {wire.TypeShutdown, 4}, {wire.TypeCWR, 4}, {wire.TypeSack, 12},
	} {
		for n := range 40 {
			_, err := decode(t, chunk(c.typ, 0, make([]byte, n)...))
			if n == c.size {
				require.NoError(t, err, "%v", c.typ)
				continue
			}
			require.Error(t, err, "%v with a value of %d", c.typ, n)
			requireChunkError(t, err, c.typ)
		}
	}
	for _, c := range []struct {
		typ wire.ChunkType
		min int
	}{{wire.TypeData, 12}, {wire.TypeInit, 16}, {wire.TypeInitAck, 16}} {
		for n := range c.min {
			_, err := decode(t, chunk(c.typ, 0, make([]byte, n)...))
			require.ErrorIs(t, err, wire.ErrTruncated, "%v with a value of %d", c.typ, n)
		}
		_, err := decode(t, chunk(c.typ, 0, make([]byte, c.min)...))
		require.NoError(t, err)
	}
	for _, typ := range []wire.ChunkType{wire.TypeHeartbeat, wire.TypeHeartbeatAck, wire.TypeError} {
		_, err := decode(t, chunk(typ, 0))
		require.ErrorIs(t, err, wire.ErrMissing, "%v without a value", typ)
		_, err = decode(t, chunk(typ, 0, 0))
		require.ErrorIs(t, err, wire.ErrTruncated, "%v of 5 bytes", typ)
	}
}

// P5: a parameter that is partly outside its chunk, be it in the chunk's padding
// or in the next chunk, is refused. What is accepted, the iterator sees whole.
func TestP5ParameterOutsideChunk(t *testing.T) {
	info := param(wire.ParamHeartbeatInfo, 1, 2, 3, 4)
	next := chunk(wire.TypeCookieAck, 0)
	for name, hold := range holders {
		for cut := 1; cut < len(info); cut++ {
			whole := hold(info...)
			n := int(binary.BigEndian.Uint16(whole[2:])) - cut
			binary.BigEndian.PutUint16(whole[2:], uint16(n))
			whole = whole[:n+-n&3] // the cut bytes lie in the padding, or behind it
			p, err := wire.Parse(packet(whole, next))
			require.NoError(t, err)
			require.Len(t, slices.Collect(p.Chunks()), 2)
			_, err = wire.DecodeChunk(p.First())
			require.ErrorIs(t, err, wire.ErrTruncated, "%s: %d bytes outside", name, cut)
		}
	}
	require.Empty(t, slices.Collect(wire.Causes(info[:7])), "the iterator refuses it, too")
}

// P5: the padding of the last parameter may be in the chunk's length or not
// (RFC 9260 §3.2), the meaning is the same.
func TestP5LastPaddingInOrOutOfLength(t *testing.T) {
	value := param(wire.ParamHeartbeatInfo, 'a', 'b', 'c', 'd', 'e') // 3 bytes of padding
	for name, hold := range holders {
		var texts []string
		for n := len(value) - 3; n <= len(value); n++ {
			d, err := decode(t, hold(value[:n]...))
			require.NoError(t, err, "%s with %d bytes", name, n)
			texts = append(texts, d.String())
		}
		require.Len(t, slices.Compact(texts), 1, name)
	}
}

// P5: for causes, the validator (Decode) and the consumer (Causes) agree on any
// input: all is consumed if and only if it is valid.
func TestP5CausesValidatorAndConsumerAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	accepted := 0
	for range 20000 {
		b := make([]byte, rng.IntN(24))
		for i := range b {
			b[i] = byte(rng.IntN(10))
		}
		for i := range len(b) / 4 {
			if rng.IntN(2) == 0 {
				b[4*i+2] = 0
			}
		}
		_, err := decode(t, chunk(wire.TypeAbort, 0, b...))
		consumed := 0
		for c := range wire.Causes(b) {
			consumed += 4 + len(c.Info)
			consumed = min(consumed+-consumed&3, len(b))
		}
		require.Equal(t, consumed == len(b), err == nil, "%x", b)
		if err == nil {
			accepted++
		}
	}
	require.Greater(t, accepted, 1000, "the inputs must reach both verdicts")
}

// P9: RFC 9260 §3.2, Table 2: what the two high bits of each type ask for.
func TestP9ChunkTypeBits(t *testing.T) {
	for typ := range 256 {
		require.Equal(t, typ>>7 == 1, wire.ChunkType(typ).SkipUnknown(), "type %d", typ)
		require.Equal(t, typ>>6&1 == 1, wire.ChunkType(typ).ReportUnknown(), "type %d", typ)
	}
}

// P9: an unknown chunk in any position is no error of the packet, and its bytes
// are there to be quoted.
func TestP9UnknownChunksAreData(t *testing.T) {
	known := [][]byte{chunk(wire.TypeCookieAck, 0), chunk(wire.TypeShutdownAck, 0)}
	for _, typ := range []wire.ChunkType{0x3E, 0x7E, 0xBE, 0xFE} {
		for at := range 3 {
			p, err := wire.Parse(packet(slices.Insert(slices.Clone(known), at, chunk(typ, 9, 'u', 'n'))...))
			require.NoError(t, err)
			got := slices.Collect(p.Chunks())
			require.Len(t, got, 3)
			require.Equal(t, typ, got[at].Type())
			require.Equal(t, []byte{byte(typ), 9, 0, 6, 'u', 'n'}, got[at].Bytes())
		}
	}
}

// P9: RFC 9260 §3.2.1, Table 3, with an unknown parameter in each position of an
// INIT and an INIT ACK.
func TestP9UnknownParametersInInit(t *testing.T) {
	known := [][]byte{param(wire.ParamIPv4, 192, 0, 2, 1), param(wire.ParamIPv4, 192, 0, 2, 2), param(wire.ParamIPv4, 192, 0, 2, 3)}
	for _, typ := range []wire.ParamType{0x3FFE, 0x7FFE, 0xBFFE, 0xFFFE} {
		unknown := param(typ, 'x')
		for at := range 4 {
			for _, ct := range []wire.ChunkType{wire.TypeInit, wire.TypeInitAck} {
				params := slices.Concat(slices.Insert(slices.Clone(known), at, unknown)...)
				var i wire.Init
				require.NoError(t, i.Decode(rawChunk(t, chunk(ct, 0, slices.Concat(initFixed, params)...))))
				what := fmt.Sprintf("%v, %v at %d", ct, typ, at)
				if typ&0x8000 != 0 {
					require.Len(t, i.Addrs, 3, what)
					require.False(t, i.Stopped, what)
				} else {
					require.Len(t, i.Addrs, at, what)
					require.True(t, i.Stopped, what)
				}
				if typ&0x4000 != 0 {
					require.Equal(t, [][]byte{unknown[:5]}, i.Unrecognized, what)
				} else {
					require.Empty(t, i.Unrecognized, what)
				}
			}
		}
	}
}

// P9: the same for the one parameter that a HEARTBEAT has.
func TestP9UnknownParametersInHeartbeat(t *testing.T) {
	info := param(wire.ParamHeartbeatInfo, 'i')
	for typ, skips := range map[wire.ParamType]bool{0x3FFE: false, 0x7FFE: false, 0xBFFE: true, 0xFFFE: true} {
		unknown := param(typ, 'x')
		var h wire.Heartbeat
		require.NoError(t, h.Decode(rawChunk(t, chunk(wire.TypeHeartbeat, 0, slices.Concat(info, unknown)...))))
		require.Equal(t, []byte("i"), h.Info, "what came before stays valid")
		err := h.Decode(rawChunk(t, chunk(wire.TypeHeartbeat, 0, slices.Concat(unknown, info)...)))
		if skips {
			require.NoError(t, err)
			require.Equal(t, []byte("i"), h.Info)
		} else {
			require.ErrorIs(t, err, wire.ErrMissing)
		}
	}
}

// K3: gap and duplicate counts that do not fit the chunk, both ways and with
// sums that would overflow 16 bits.
func TestK3SackCountsBeyondChunk(t *testing.T) {
	for _, c := range []struct{ gaps, dups, entries int }{
		{1, 0, 0}, {0, 1, 0}, {2, 1, 2}, {65535, 0, 3}, {0, 65535, 3}, {65535, 65535, 0}, {32768, 32768, 0}, {16384, 0, 0}, // too few
		{0, 0, 1}, {1, 0, 2}, {0, 1, 2}, {1, 1, 3}, // too many
	} {
		v := make([]byte, 12+4*c.entries)
		binary.BigEndian.PutUint16(v[8:], uint16(c.gaps))
		binary.BigEndian.PutUint16(v[10:], uint16(c.dups))
		s := wire.Sack{Gaps: []wire.GapBlock{{Start: 1, End: 1}}, Dups: []wire.TSN{1}}
		err := s.Decode(rawChunk(t, chunk(wire.TypeSack, 0, v...)))
		require.ErrorIs(t, err, wire.ErrLength, "%+v", c)
		require.Empty(t, s.Gaps, "nothing of the last SACK is left over")
		require.Empty(t, s.Dups)
	}
	for _, extra := range []int{1, 2, 3} { // an entry that is not whole
		v := make([]byte, 12+4+extra)
		binary.BigEndian.PutUint16(v[8:], 1)
		var s wire.Sack
		require.ErrorIs(t, s.Decode(rawChunk(t, chunk(wire.TypeSack, 0, v...))), wire.ErrLength)
	}
}
