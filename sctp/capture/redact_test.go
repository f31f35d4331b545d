package capture_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

// redacted is SCTP packets as a redacted file holds them.
func redacted(t *testing.T, packets ...[]byte) [][]byte {
	t.Helper()
	var in []capture.Packet
	for _, b := range packets {
		in = append(in, capture.Packet{Time: at, Local: local4, Remote: peer4, Data: b})
	}
	var out [][]byte
	for i, f := range read(t, write(t, &capture.Options{Redact: true}, in...)) {
		udp := gopacket.NewPacket(f.data, layers.LinkTypeRaw, gopacket.NoCopy).Layer(layers.LayerTypeUDP).(*layers.UDP)
		require.Len(t, udp.Payload, len(packets[i]))
		out = append(out, udp.Payload)
	}
	return out
}

const (
	tagA = wire.VTag(0xa1a2a3a4)
	tagB = wire.VTag(0xb1b2b3b4)
)

// secret stands in everything that a redacted file must not hold.
var secret = bytes.Repeat([]byte("SeCrEt!!"), 8)

type bytesChunk []byte

func (c bytesChunk) AppendTo(b []byte) []byte { return append(b, c...) }

// raw is a chunk of any type.
func raw(typ wire.ChunkType, value []byte) bytesChunk {
	b := []byte{byte(typ), 0, byte((len(value) + 4) >> 8), byte(len(value) + 4)}
	return append(b, value...)
}

// S2: nothing secret is left, whatever chunk it stood in.
func TestS2RedactedFilesHoldNoSecrets(t *testing.T) {
	causes := wire.AppendCause(nil, wire.CauseUserAbort, secret)
	packets := map[string][]byte{
		"DATA":        sealed(tagA, &wire.Data{Begin: true, End: true, TSN: 9, Payload: secret}),
		"I-DATA":      sealed(tagA, raw(wire.TypeIData, append(make([]byte, 16), secret...))),
		"INIT":        sealed(0, &wire.Init{InitiateTag: tagA, ARwnd: 5000, OutStreams: 1, InStreams: 1, InitialTSN: 1}),
		"INIT ACK":    sealed(tagA, &wire.Init{Ack: true, InitiateTag: tagB, ARwnd: 5000, OutStreams: 1, InStreams: 1, InitialTSN: 1, HasCookie: true, Cookie: secret, Unrecognized: [][]byte{append([]byte{0xc1, 0, 0, 68}, secret...)}}),
		"COOKIE ECHO": sealed(tagB, &wire.CookieEcho{Cookie: secret}),
		"HEARTBEAT":   sealed(tagB, &wire.Heartbeat{Info: secret}),
		"ABORT":       sealed(tagB, &wire.Abort{Causes: causes}),
		"ERROR":       sealed(tagB, &wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseUnrecognizedChunk, secret)}),
		"AUTH":        sealed(tagB, raw(wire.TypeAuth, append([]byte{0, 1, 0, 1}, secret...))),
		"ASCONF":      sealed(tagB, raw(wire.TypeAsconf, append([]byte{0, 0, 0, 1}, secret...))),
		"PAD":         sealed(tagB, raw(wire.TypePad, secret)),
		"unknown":     sealed(tagB, raw(0xee, secret)),
		"no chunks":   append(sealed(tagB), secret...),
		"cut":         sealed(tagB, &wire.Data{Begin: true, TSN: 9, Payload: secret})[:60],
		"short":       secret[:11],
		"bad TLV":     sealed(tagB, raw(wire.TypeHeartbeat, append([]byte{0, 1, 0, 2}, secret...))),
	}
	damaged := sealed(tagA, raw(wire.TypeSack, secret))
	damaged[20] ^= 1
	packets["damaged"] = damaged
	for name, b := range packets {
		out := redacted(t, b)[0]
		require.NotContains(t, string(out), "SeCr", name)
		for _, tag := range []wire.VTag{tagA, tagB} {
			require.NotContains(t, string(out), string(binary.BigEndian.AppendUint32(nil, uint32(tag))), name)
		}
		require.Equal(t, wire.VerifyChecksum(b), wire.VerifyChecksum(out), "%s: a wrong checksum stays wrong, a right one right", name)
		if p, err := wire.Parse(b); err == nil {
			q, err := wire.Parse(out)
			require.NoError(t, err, name)
			require.Equal(t, p.First().Type(), q.First().Type(), name)
			require.Equal(t, p.First().Len(), q.First().Len(), name)
		}
	}
}

// A tag is always replaced by the same: who follows the handshake finds the
// association. Another file uses others.
func TestTagsStayTogether(t *testing.T) {
	init := sealed(0, &wire.Init{InitiateTag: tagA, ARwnd: 5000, OutStreams: 1, InStreams: 1, InitialTSN: 1})
	ack := sealed(tagA, &wire.Init{Ack: true, InitiateTag: tagB, ARwnd: 5000, OutStreams: 1, InStreams: 1, InitialTSN: 1, HasCookie: true, Cookie: secret})
	echo := sealed(tagB, &wire.CookieEcho{Cookie: secret})
	out := redacted(t, init, ack, echo)
	var i, a wire.Init
	p := make([]wire.Packet, 3)
	for n := range p {
		var err error
		p[n], err = wire.Parse(out[n])
		require.NoError(t, err)
	}
	require.NoError(t, i.Decode(p[0].First()))
	require.NoError(t, a.Decode(p[1].First()))
	require.Zero(t, p[0].VTag)
	require.Equal(t, i.InitiateTag, p[1].VTag)
	require.Equal(t, a.InitiateTag, p[2].VTag)
	require.NotEqual(t, p[1].VTag, p[2].VTag)
	require.NotEqual(t, out[0], redacted(t, init)[0])
}

// What an analyst needs stays: numbers, windows, addresses, sizes.
func TestWhatIsNotSecretStays(t *testing.T) {
	sack := wire.Sack{CumTSN: 77, ARwnd: 1234, Gaps: []wire.GapBlock{{Start: 2, End: 3}}}
	i := wire.Init{InitiateTag: tagA, ARwnd: 5000, OutStreams: 3, InStreams: 4, InitialTSN: 99, ECN: true}
	d := wire.Data{Begin: true, TSN: 9, Stream: 3, SSN: 4, PPID: 5, Payload: secret}
	e := wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseInvalidStream, []byte{0, 9, 0, 0})}
	out := redacted(t, sealed(tagB, &sack, &d, &e), sealed(0, &i))
	p, err := wire.Parse(out[0])
	require.NoError(t, err)
	var seen []string
	for c := range p.Chunks() {
		seen = append(seen, c.String())
	}
	require.Equal(t, []string{sack.String(), d.String(), e.String()}, seen)
	p, err = wire.Parse(out[1])
	require.NoError(t, err)
	var j wire.Init
	require.NoError(t, j.Decode(p.First()))
	j.InitiateTag = tagA
	require.Equal(t, i.String(), j.String())
}
