package wire_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// requireStable checks the round trip of an accepted chunk: what it encodes to is
// accepted, means the same, and encodes to itself.
func requireStable(t *testing.T, d wire.Chunk, from []byte) {
	t.Helper()
	once := d.AppendTo(nil)
	require.Len(t, once, d.Len(), "from %x", from)
	require.Zero(t, len(once)%4)
	p, err := wire.ParseUnchecked(append(header.AppendTo(nil), once...))
	require.NoError(t, err, "from %x", from)
	require.LessOrEqual(t, p.First().Len(), len(once))
	require.Greater(t, p.First().Len()+4, len(once), "at most 3 bytes of padding")
	again, err := wire.DecodeChunk(p.First())
	require.NoError(t, err, "from %x", from)
	require.Equal(t, once, again.AppendTo(nil), "from %x", from)
	if i, ok := d.(*wire.Init); ok && (i.Ack || i.Stopped || i.HostName) {
		return // says in another way, or not at all, what was in x
	}
	require.Equal(t, d.String(), again.String(), "from %x", from)
}

// P15: marshal(unmarshal(x)) is stable for every accepted x; here x are the
// samples with random damage, and with their length field put right.
func TestP15RoundTripIsStable(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 15))
	accepted := map[wire.ChunkType]int{}
	for _, s := range samples {
		orig := rawChunk(t, unhex(t, s.hex)).Bytes()
		for range 2000 {
			b := damage(rng, orig)
			p, err := wire.ParseUnchecked(append(header.AppendTo(nil), b...))
			if err != nil {
				continue
			}
			for raw := range p.Chunks() {
				if d, err := wire.DecodeChunk(raw); err == nil {
					accepted[raw.Type()]++
					requireStable(t, d, raw.Bytes())
				}
			}
		}
	}
	for _, s := range samples {
		typ := rawChunk(t, unhex(t, s.hex)).Type()
		require.Greater(t, accepted[typ], 50, "%v must survive now and then", typ)
	}
}

// damage returns b with a few random changes, its chunk length mostly right.
func damage(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range rng.IntN(3) {
		b[1+rng.IntN(len(b)-1)] = byte(rng.Uint32())
	}
	switch rng.IntN(4) {
	case 0:
		b = b[:4+rng.IntN(len(b)-3)]
	case 1:
		b = append(b, b[4+rng.IntN(len(b)-3):]...)
	case 2:
		typ := wire.ParamType(rng.Uint32())
		b = append(b, param(typ, make([]byte, rng.IntN(9))...)...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// A chunk that is as full as its length field allows.
func TestLargestChunks(t *testing.T) {
	for _, c := range []wire.Chunk{
		&wire.Data{Payload: make([]byte, 65519)},
		&wire.CookieEcho{Cookie: make([]byte, 65531)},
		&wire.Heartbeat{Info: make([]byte, 65527)},
		&wire.Pad{Data: 65531},
		&wire.Abort{Causes: wire.AppendCause(nil, wire.CauseUserAbort, make([]byte, 65527))},
		&wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseUserAbort, make([]byte, 65527))},
	} {
		requireStable(t, c, nil)
		require.Equal(t, 65536, c.Len())
	}
}

// A SACK holds what fits, blocks first.
func TestSackIsCutToWhatFits(t *testing.T) {
	const most = 16379
	for _, c := range []struct{ gaps, dups, wantGaps, wantDups int }{
		{most, 0, most, 0}, {most + 1, 0, most, 0}, {most, 5, most, 0}, {most - 2, 5, most - 2, 2}, {0, 70000, 0, most}, {70000, 70000, most, 0},
	} {
		s := wire.Sack{Gaps: make([]wire.GapBlock, c.gaps), Dups: make([]wire.TSN, c.dups)}
		var got wire.Sack
		b := s.AppendTo(nil)
		require.Len(t, b, s.Len())
		require.NoError(t, got.Decode(rawChunk(t, b)))
		require.Len(t, got.Gaps, c.wantGaps)
		require.Len(t, got.Dups, c.wantDups)
	}
}
