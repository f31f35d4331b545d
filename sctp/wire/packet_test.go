package wire_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// RFC 9260 §3.1.
func TestHeaderMatchesItsDiagram(t *testing.T) {
	h := wire.Header{SrcPort: 0x1388, DstPort: 0x80ED, VTag: 0xC92F7061}
	require.Equal(t, unhex(t, "1388 80ed | c92f7061 | 00000000"), h.AppendTo(nil))
	require.Len(t, h.AppendTo(nil), wire.HeaderLen)
	p, err := wire.Parse(unhex(t, "138980edc92f706129 9ab559 | 03000010 5afa6928 00019e0c 00000000 |"+
		"0003001a ac288e73 00000000 00000033 30303030303020616263 0000"))
	require.NoError(t, err)
	require.Equal(t, wire.Header{SrcPort: 5001, DstPort: 33005, VTag: 0xC92F7061}, p.Header)
	require.Equal(t, "5001>33005 tag=0xc92f7061 [SACK cum=1526360360 rwnd=105996]"+
		" [DATA tsn=2888339059 sid=0 ssn=0 ppid=51 len=10 BE]", p.String())
}

func TestChunksAreViews(t *testing.T) {
	b := packet(chunk(0x81, 0x5A, 1, 2, 3), chunk(0x82, 0, 4, 5, 6, 7), chunk(0x83, 0xFF))
	p, err := wire.Parse(b)
	require.NoError(t, err)
	require.Equal(t, b, p.Bytes())
	chunks := slices.Collect(p.Chunks())
	require.Len(t, chunks, 3)
	require.Equal(t, chunks[0], p.First())

	c := chunks[0]
	require.Equal(t, wire.ChunkType(0x81), c.Type())
	require.Equal(t, uint8(0x5A), c.Flags())
	require.Equal(t, []byte{1, 2, 3}, c.Value())
	require.Equal(t, []byte{0x81, 0x5A, 0, 7, 1, 2, 3}, c.Bytes(), "no padding")
	require.Equal(t, 7, c.Len())
	require.Same(t, &b[wire.HeaderLen+4], &c.Value()[0], "no copy")
	require.Equal(t, []byte{4, 5, 6, 7}, chunks[1].Value())
	require.Empty(t, chunks[2].Value())
	require.Equal(t, 4, chunks[2].Len())

	// A view cannot grow into what lies behind it.
	_ = append(c.Value(), 0xEE)
	require.Equal(t, byte(0), b[wire.HeaderLen+7])
}

func TestChunksCanStopEarly(t *testing.T) {
	p, err := wire.Parse(packet(chunk(0x81, 0), chunk(0x82, 0), chunk(0x83, 0)))
	require.NoError(t, err)
	n := 0
	for range p.Chunks() {
		if n++; n == 2 {
			break
		}
	}
	require.Equal(t, 2, n)
}

func TestZeroPacketIsHarmless(t *testing.T) {
	var p wire.Packet
	require.Empty(t, slices.Collect(p.Chunks()))
	require.Equal(t, wire.RawChunk{}, p.First())
	require.Equal(t, "DATA malformed (sctp/wire: DATA: wrong chunk type at byte 0)", p.First().String())
}

// Errors carry the kind for errors.Is and the place for errors.As.
func TestErrorsTellKindAndPlace(t *testing.T) {
	bad := packet(chunk(wire.TypeCookieAck, 0), []byte{byte(wire.TypeAbort), 0, 0, 9})
	_, err := wire.Parse(bad)
	require.ErrorIs(t, err, wire.ErrTruncated)
	require.NotErrorIs(t, err, wire.ErrLength)
	var e *wire.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, wire.Error{Kind: wire.ErrTruncated, InPacket: true, Offset: wire.HeaderLen + 4}, *e, "where the chunk begins")
	require.EqualError(t, err, "sctp/wire: packet: truncated at byte 16")

	var s wire.Shutdown
	err = s.Decode(rawChunk(t, chunk(wire.TypeShutdown, 0, 1, 2, 3, 4, 5)))
	require.True(t, errors.As(err, &e))
	require.Equal(t, wire.Error{Kind: wire.ErrLength, Chunk: wire.TypeShutdown, Offset: 4}, *e)
	require.EqualError(t, err, "sctp/wire: SHUTDOWN: bad length at byte 4")

	seen := map[string]bool{}
	for k := wire.ErrTruncated; k <= wire.ErrType; k++ {
		require.False(t, seen[k.Error()], "two kinds say %q", k.Error())
		seen[k.Error()] = true
	}
	require.Equal(t, "error kind 200", wire.ErrorKind(200).Error())
}

func TestChunkTypeNames(t *testing.T) {
	require.Equal(t, "FORWARD-TSN", wire.TypeForwardTSN.String())
	require.Equal(t, "CHUNK-99", wire.ChunkType(99).String())
	require.Equal(t, "CHUNK-99 flags=0x07 len=2", rawChunk(t, chunk(99, 7, 1, 2)).String())
	require.Equal(t, "SHUTDOWN malformed (sctp/wire: SHUTDOWN: truncated at byte 0)",
		rawChunk(t, chunk(wire.TypeShutdown, 0)).String())
	require.Equal(t, "State Cookie", wire.ParamCookie.String())
	require.Equal(t, "parameter 0x4abc", wire.ParamType(0x4ABC).String())
}

// P7: what is shorter than a common header, and a common header alone.
func TestP7TooShortDatagrams(t *testing.T) {
	whole := packet(chunk(wire.TypeCookieAck, 0))
	for n := range wire.HeaderLen {
		_, err := wire.Parse(whole[:n])
		require.ErrorIs(t, err, wire.ErrTruncated, "%d bytes", n)
		_, err = wire.ParseUnchecked(whole[:n])
		require.ErrorIs(t, err, wire.ErrTruncated, "%d bytes", n)
	}
	_, err := wire.Parse(packet())
	require.ErrorIs(t, err, wire.ErrNoChunks)
	_, err = wire.ParseUnchecked(header.AppendTo(nil))
	require.ErrorIs(t, err, wire.ErrNoChunks)
}

// P13: RFC 9260 §3.1, port 0 must not be used.
func TestP13PortZero(t *testing.T) {
	for _, h := range []wire.Header{{SrcPort: 0, DstPort: 1, VTag: 1}, {SrcPort: 1, DstPort: 0, VTag: 1}, {}} {
		b := append(h.AppendTo(nil), chunk(wire.TypeCookieAck, 0)...)
		wire.SetChecksum(b)
		_, err := wire.Parse(b)
		require.ErrorIs(t, err, wire.ErrPort)
		_, err = wire.ParseUnchecked(b)
		require.ErrorIs(t, err, wire.ErrPort)
	}
}

// P2: a chunk length below 4 is an error wherever it is; the walk ends.
func TestP2ChunkLengthBelowHeader(t *testing.T) {
	good := chunk(wire.TypeCookieAck, 0)
	for n := range wire.ChunkHeaderLen {
		for _, typ := range []wire.ChunkType{wire.TypeData, wire.TypeSack, 0x3F, 0x7F, 0x80, 0xFF} {
			bad := []byte{byte(typ), 0, 0, byte(n)}
			for _, chunks := range [][][]byte{{bad}, {good, bad}, {bad, good}, {good, bad, good}} {
				_, err := wire.Parse(packet(chunks...))
				require.ErrorIs(t, err, wire.ErrLength, "type %v length %d", typ, n)
			}
		}
	}
}

// P8: padding may hold anything, and may be missing behind the last chunk
// (RFC 9260 §3.2); it may be neither longer than 3 bytes nor missing elsewhere.
func TestP8Padding(t *testing.T) {
	odd := chunk(0x81, 0, 'x') // 5 bytes and 3 of padding
	nonZero := append(bytes.Clone(odd[:5]), 1, 2, 3)
	next := chunk(wire.TypeCookieAck, 0)
	for name, c := range map[string]struct {
		chunks [][]byte
		ok     bool
	}{
		"padded":                         {[][]byte{odd}, true},
		"padded, more behind":            {[][]byte{odd, next}, true},
		"non-zero":                       {[][]byte{nonZero}, true},
		"non-zero, more behind":          {[][]byte{nonZero, next}, true},
		"last one without":               {[][]byte{next, odd[:5]}, true},
		"last one cut short":             {[][]byte{next, odd[:7]}, true},
		"missing in the middle":          {[][]byte{odd[:5], next}, false},
		"short in the middle":            {[][]byte{odd[:7], next}, false},
		"one byte behind an even chunk":  {[][]byte{next, {0}}, false},
		"three bytes behind an even one": {[][]byte{next, {0, 0, 0}}, false},
		"a fourth byte":                  {[][]byte{odd, {0}}, false},
		"four bytes too much":            {[][]byte{odd, {0, 0, 0, 0}}, false},
	} {
		p, err := wire.Parse(packet(c.chunks...))
		if !c.ok {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, slices.Collect(p.Chunks()), len(c.chunks), name)
		for raw := range p.Chunks() {
			if raw.Type() == 0x81 {
				require.Equal(t, []byte{'x'}, raw.Value(), name)
			}
		}
	}
}

// A packet of good chunks cut anywhere fails, unless only padding is gone.
func TestPacketCutAtEveryLength(t *testing.T) {
	var chunks [][]byte
	boundary := map[int]bool{}
	n := wire.HeaderLen
	for _, s := range samples {
		c := unhex(t, s.hex)
		chunks = append(chunks, c)
		unpadded := int(c[2])<<8 | int(c[3])
		for k := n + unpadded; k <= n+len(c); k++ {
			boundary[k] = true
		}
		n += len(c)
	}
	whole := packet(chunks...)
	for k := range whole {
		b := bytes.Clone(whole[:k])
		_, err := wire.Parse(b)
		require.Error(t, err, "the CRC32c finds it")
		wire.SetChecksum(b)
		_, err = wire.Parse(b)
		require.Equal(t, boundary[k], err == nil, "cut at %d: %v", k, err)
	}
}
