package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// BSD-derived stacks count the marked packets in 4 bytes more; other lengths do not
// exist.
func TestECNEOfOtherLengths(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 3: false, 4: true, 5: false, 7: false, 8: true, 9: false, 12: false} {
		v := make([]byte, n)
		if n > 3 {
			v[3] = 9
		}
		var e wire.ECNE
		err := e.Decode(rawChunk(t, chunk(wire.TypeECNE, 0, v...)))
		require.Equal(t, ok, err == nil, "value of %d: %v", n, err)
		if ok {
			require.Equal(t, wire.TSN(9), e.LowestTSN)
			require.Len(t, e.AppendTo(nil), 8)
		}
	}
}

// The content of PAD means nothing (RFC 4820 §3).
func TestPadContentIsIgnored(t *testing.T) {
	var p wire.Pad
	require.NoError(t, p.Decode(rawChunk(t, chunk(wire.TypePad, 0xFF, 1, 2, 3, 4, 5))))
	require.Equal(t, 5, p.Data)
	require.Equal(t, chunk(wire.TypePad, 0, 0, 0, 0, 0, 0), p.AppendTo(nil))
	dirty := []byte{9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}
	require.Equal(t, chunk(wire.TypePad, 0, make([]byte, 8)...), p8(dirty), "whatever the buffer held before")
}

func p8(buf []byte) []byte { return (&wire.Pad{Data: 8}).AppendTo(buf[:0]) }

// RFC 4960 Appendix A: the kernel echoes a mark until it is answered, and the
// answer names the TSN of the echo.
func TestCapturedECN(t *testing.T) {
	echoes, answers := map[wire.TSN]int{}, map[wire.TSN]int{}
	for _, b := range capturedPackets(t, "testdata/sctp-ecn.pcapng") {
		p, err := wire.Parse(b)
		require.NoError(t, err)
		for raw := range p.Chunks() {
			d, err := wire.DecodeChunk(raw)
			require.NoError(t, err)
			switch d := d.(type) {
			case *wire.Init:
				require.True(t, d.ECN)
			case *wire.ECNE:
				echoes[d.LowestTSN]++
			case *wire.CWR:
				answers[d.LowestTSN]++
			}
		}
	}
	require.NotEmpty(t, answers)
	for tsn := range answers {
		require.Positive(t, echoes[tsn], "CWR of %d", tsn)
	}
}
