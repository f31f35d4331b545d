package wire_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// header is the common header that tests put before their chunks.
var header = wire.Header{SrcPort: 5000, DstPort: 5001, VTag: 0x01020304}

// unhex reads hex with spaces, newlines and | for reading.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "", "|", "").Replace(s))
	require.NoError(t, err)
	return b
}

// packet puts chunks behind a common header and sets the CRC32c.
func packet(chunks ...[]byte) []byte {
	b := header.AppendTo(nil)
	for _, c := range chunks {
		b = append(b, c...)
	}
	wire.SetChecksum(b)
	return b
}

// rawChunk parses a packet that holds only the given chunk.
func rawChunk(t testing.TB, chunk []byte) wire.RawChunk {
	t.Helper()
	p, err := wire.Parse(packet(chunk))
	require.NoError(t, err)
	return p.First()
}

// chunk builds a chunk of any content, padded.
func chunk(typ wire.ChunkType, flags uint8, value ...byte) []byte {
	n := wire.ChunkHeaderLen + len(value)
	b := append([]byte{byte(typ), flags, byte(n >> 8), byte(n)}, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// param builds a parameter of any content, padded.
func param(typ wire.ParamType, value ...byte) []byte {
	n := 4 + len(value)
	b := append([]byte{byte(typ >> 8), byte(typ), byte(n >> 8), byte(n)}, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
