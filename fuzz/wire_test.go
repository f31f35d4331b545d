package fuzz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp/wire"
)

// wireCaptures are packets that Linux and usrsctp sent.
const wireCaptures = "../sctp/wire/testdata/*.pcapng"

// fuzzHeader is the common header in front of fuzzed chunks.
var fuzzHeader = wire.Header{SrcPort: 1, DstPort: 2, VTag: 3}

// maxValue is the longest chunk value whose length field still fits.
const maxValue = 1<<16 - 1 - wire.ChunkHeaderLen

// rawChunk makes a parsed chunk of any content.
func rawChunk(t *testing.T, typ wire.ChunkType, flags uint8, value []byte) wire.RawChunk {
	b := append(fuzzHeader.AppendTo(nil), byte(typ), flags, 0, 0)
	binary.BigEndian.PutUint16(b[wire.HeaderLen+2:], uint16(wire.ChunkHeaderLen+len(value)))
	p, err := wire.ParseUnchecked(append(b, value...))
	require.NoError(t, err)
	return p.First()
}

// reparse parses what AppendTo wrote.
func reparse(t *testing.T, encoded []byte) wire.RawChunk {
	p, err := wire.ParseUnchecked(append(fuzzHeader.AppendTo(nil), encoded...))
	require.NoError(t, err)
	return p.First()
}

// requireRoundTrip: P15, an accepted chunk encodes to something that is accepted
// and encodes to itself.
func requireRoundTrip(t *testing.T, d wire.Chunk) wire.Chunk {
	once := d.AppendTo(nil)
	require.Len(t, once, d.Len())
	again, err := wire.DecodeChunk(reparse(t, once))
	require.NoError(t, err)
	require.Equal(t, once, again.AppendTo(nil))
	require.NotEmpty(t, d.String())
	return again
}

// FuzzPacket: any datagram. The CRC32c is put right, or nothing would get past it.
func FuzzPacket(f *testing.F) {
	seen := map[string]bool{}
	for _, b := range seeds(f, wireCaptures) {
		p, err := wire.Parse(b)
		if err != nil {
			f.Fatal(err)
		}
		var kinds []byte // one seed for each sequence of chunk types and flags
		for c := range p.Chunks() {
			kinds = append(kinds, byte(c.Type()), c.Flags())
		}
		if !seen[string(kinds)] {
			seen[string(kinds)] = true
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		p, err := wire.ParseUnchecked(b)
		fixed := bytes.Clone(b)
		wire.SetChecksum(fixed)
		_, err2 := wire.Parse(fixed)
		require.Equal(t, err, err2, "the CRC32c apart, both see the same")
		if err != nil {
			var e *wire.Error
			require.True(t, errors.As(err, &e))
			require.True(t, e.InPacket)
			require.LessOrEqual(t, e.Offset, len(b))
			return
		}
		total := wire.HeaderLen
		for c := range p.Chunks() {
			total += c.Len() + tlv.Pad(c.Len())
			d, err := wire.DecodeChunk(c)
			require.NotEmpty(t, c.String())
			if err == nil {
				requireRoundTrip(t, d)
				continue
			}
			var e *wire.Error
			require.True(t, errors.As(err, &e))
			require.Equal(t, c.Type(), e.Chunk)
			require.LessOrEqual(t, e.Offset, c.Len())
		}
		require.GreaterOrEqual(t, total, len(b), "the chunks are the whole packet")
		require.Less(t, total, len(b)+4, "but for padding that is missing at the end")
		require.Equal(t, before, b, "reading changes nothing")
	})
}

// FuzzInit: the value of an INIT or INIT ACK.
func FuzzInit(f *testing.F) {
	for _, b := range seeds(f, wireCaptures) {
		if p, err := wire.Parse(b); err == nil {
			if c := p.First(); c.Type() == wire.TypeInit || c.Type() == wire.TypeInitAck {
				f.Add(c.Type() == wire.TypeInitAck, c.Value())
			}
		}
	}
	f.Fuzz(func(t *testing.T, ack bool, value []byte) {
		typ := wire.TypeInit
		if ack {
			typ = wire.TypeInitAck
		}
		var i wire.Init
		if len(value) > maxValue || i.Decode(rawChunk(t, typ, 0, value)) != nil {
			return
		}
		require.LessOrEqual(t, len(i.Addrs), wire.MaxInitAddrs)
		require.LessOrEqual(t, len(i.Unrecognized), wire.MaxInitUnrecognized)
		require.LessOrEqual(t, len(i.Reported), wire.MaxInitUnrecognized)
		require.LessOrEqual(t, len(slices.Concat(i.Unrecognized...)), wire.MaxInitQuoted)
		require.Equal(t, ack, i.Ack)

		again := requireRoundTrip(t, &i).(*wire.Init)
		require.Equal(t, i.InitiateTag, again.InitiateTag)
		require.Equal(t, i.InitialTSN, again.InitialTSN)
		require.Equal(t, i.Addrs, again.Addrs)
		require.Equal(t, i.HasCookie, again.HasCookie)
		require.True(t, bytes.Equal(i.Cookie, again.Cookie))
		require.Equal(t, i.ECN, again.ECN)
		require.Equal(t, i.ForwardTSN, again.ForwardTSN)
		require.Equal(t, i.SupportedAddrTypes, again.SupportedAddrTypes)
		require.Equal(t, i.SupportedExtensions, again.SupportedExtensions)

		// A struct that is used again holds nothing of its last use.
		require.NoError(t, again.Decode(rawChunk(t, typ, 0, value)))
		require.Equal(t, i.String(), again.String())
	})
}

// FuzzSack: the value of a SACK.
func FuzzSack(f *testing.F) {
	for _, b := range seeds(f, wireCaptures) {
		if p, err := wire.Parse(b); err == nil {
			for c := range p.Chunks() {
				if c.Type() == wire.TypeSack && c.Len() > 16 {
					f.Add(c.Value())
				}
			}
		}
	}
	f.Add(make([]byte, 12))
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) > maxValue {
			return
		}
		raw := rawChunk(t, wire.TypeSack, 0, value)
		s := wire.Sack{Gaps: make([]wire.GapBlock, 3), Dups: make([]wire.TSN, 3)}
		err := s.Decode(raw)
		fits := len(value) >= 12 && len(value) ==
			12+4*int(binary.BigEndian.Uint16(value[8:]))+4*int(binary.BigEndian.Uint16(value[10:]))
		require.Equal(t, fits, err == nil)
		if err != nil {
			require.Empty(t, s.Gaps)
			require.Empty(t, s.Dups)
			return
		}
		require.Equal(t, raw.Bytes(), s.AppendTo(nil))
		requireRoundTrip(t, &s)
	})
}

// FuzzCauses: the causes of an ABORT or ERROR.
func FuzzCauses(f *testing.F) {
	for _, b := range seeds(f, wireCaptures) {
		if p, err := wire.Parse(b); err == nil {
			for c := range p.Chunks() {
				if c.Type() == wire.TypeAbort || c.Type() == wire.TypeError {
					f.Add(c.Value())
				}
			}
		}
	}
	b := wire.AppendMissingParams(nil, wire.ParamCookie)
	b = wire.AppendCause(b, wire.CauseProtocolViolation, []byte("no"))
	b = wire.AppendNoUserData(wire.AppendStaleCookie(wire.AppendInvalidStream(b, 1), 2), 3)
	f.Add(b)
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) > maxValue {
			return
		}
		var again []byte
		var causes []wire.Cause
		for c := range wire.Causes(value) {
			require.LessOrEqual(t, len(causes), len(value)/4)
			require.NotEmpty(t, c.String())
			_, stream := c.Stream()
			_, stale := c.Staleness()
			_, tsn := c.TSN()
			require.False(t, stream && stale || stale && tsn || tsn && stream, "a cause is one thing")
			causes = append(causes, c)
			again = wire.AppendCause(again, c.Code, c.Info)
		}
		require.Equal(t, causes, slices.Collect(wire.Causes(again)))

		a, e := wire.Abort{}, wire.OperationError{}
		abortErr := a.Decode(rawChunk(t, wire.TypeAbort, 0, value))
		errorErr := e.Decode(rawChunk(t, wire.TypeError, 0, value))
		require.Equal(t, abortErr == nil && len(value) > 0, errorErr == nil)
		if abortErr == nil {
			require.LessOrEqual(t, len(again), len(value))
			require.Less(t, len(value)-len(again), 4, "all was consumed")
			requireRoundTrip(t, &a)
		}
		if errorErr == nil {
			requireRoundTrip(t, &e)
		}
	})
}
