package rserpool_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/rserpool"
)

// handMade are the recorded messages that no implementation sent: requests made by
// hand to see what rsplib answers. They do not come out again as they went in.
var handMade = map[string]string{
	"asap 3e000008deadbeef":                                 "unknown message type",
	"asap 05000018000900094d6978656400000000fe000801020304": "unknown parameter, stop",
	"asap 05000018000900094d6978656400000040fe000801020304": "unknown parameter, stop and report",
	"asap 05000018000900094d6978656400000080fe000801020304": "unknown parameter, skip",
	"asap 05000018000900094d69786564000000c0fe000801020304": "unknown parameter, skip and report",
	"enrp 3e00000c7777777711111111":                         "unknown message type",
}

// shapes returns one recorded message of each protocol, type and length.
func shapes(t *testing.T) []captured {
	seen := map[string]bool{}
	var some []captured
	for _, c := range recorded(t) {
		if key := fmt.Sprintf("%s %x %d", c.proto, c.bytes[:2], len(c.bytes)); !seen[key] {
			seen[key] = true
			some = append(some, c)
		}
	}
	return some
}

func TestRecordedMessagesComeOutAsTheyWentIn(t *testing.T) {
	seen := 0
	for _, c := range recorded(t) {
		key := c.proto + " " + hex.EncodeToString(c.bytes)
		if handMade[key] != "" {
			seen++
			continue
		}
		m, err := decode(c.proto, c.bytes)
		require.NoError(t, err, key)
		require.NoError(t, m.Validate(), key)
		require.Empty(t, m.ReportCauses(), key)
		require.Equal(t, c.bytes, m.AppendTo(nil), key)
		require.Equal(t, append([]byte("before"), c.bytes...), m.AppendTo([]byte("before")), key)
	}
	require.Equal(t, len(handMade), seen, "every exception is needed")
}

// x/net's way: a good message cut at every length is refused, unless what is
// missing is padding only, which then makes no difference.
func TestRecordedMessagesCutAtEveryByte(t *testing.T) {
	padded := 0
	for _, c := range shapes(t) {
		m, err := decode(c.proto, c.bytes)
		if err != nil {
			continue
		}
		pad := trailingPad(c)
		for n := range len(c.bytes) {
			short, err := decode(c.proto, c.bytes[:n])
			if n < len(c.bytes)-pad {
				require.Error(t, err, "%s %x cut to %d", c.proto, c.bytes, n)
				continue
			}
			padded++
			require.NoError(t, err, "%s %x cut to %d", c.proto, c.bytes, n)
			require.Equal(t, m, short)
		}
	}
	require.Positive(t, padded)
}

// trailingPad is the number of bytes behind the last parameter's true end.
func trailingPad(c captured) int {
	b := c.bytes[fixedLen(c):]
	r := tlv.NewReader(b)
	pad := 0
	for {
		p, ok := r.Next()
		if !ok {
			return pad
		}
		pad = tlv.Pad(len(p.Whole))
	}
}

// fixedLen is the number of bytes before the first parameter.
func fixedLen(c captured) int {
	switch {
	case c.proto == "asap" && (c.bytes[0] == 7 || c.bytes[0] == 10):
		return 8
	case c.proto == "asap":
		return 4
	case c.bytes[0] == 4 || c.bytes[0] >= 7 && c.bytes[0] <= 9:
		return 16
	}
	return 12
}

// The length field may leave out the last padding (RFC 5354 §4), whether the
// padding bytes are there or not; rsplib counts it.
func TestRecordedMessagesWithRFCLength(t *testing.T) {
	shorter := 0
	for _, c := range recorded(t) {
		want, err := decode(c.proto, c.bytes)
		pad := trailingPad(c)
		if err != nil || pad == 0 {
			continue
		}
		shorter++
		b := append([]byte(nil), c.bytes...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-pad))
		for n := len(b) - pad; n <= len(b); n++ {
			m, err := decode(c.proto, b[:n])
			require.NoError(t, err, "%s %x", c.proto, b[:n])
			require.Equal(t, want, m)
		}
	}
	require.Positive(t, shorter)
}

// params calls f with the offset of each parameter in c, nested ones included.
func params(c captured, f func(off int)) {
	var walk func(off, end int, inside rserpool.ParamType)
	walk = func(off, end int, inside rserpool.ParamType) {
		for end-off >= tlv.HeaderLen {
			typ, n := rserpool.ParamType(binary.BigEndian.Uint16(c.bytes[off:])), int(binary.BigEndian.Uint16(c.bytes[off+2:]))
			f(off)
			if inside != rserpool.ParamOperationError {
				switch typ {
				case rserpool.ParamPoolElement:
					walk(off+16, off+n, typ)
				case rserpool.ParamSCTPTransport, rserpool.ParamServerInformation:
					walk(off+8, off+n, typ)
				case rserpool.ParamOperationError:
					walk(off+4, off+n, typ)
				}
			}
			off += n + tlv.Pad(n)
		}
	}
	walk(fixedLen(c), len(c.bytes), 0)
}

// P3: a parameter length below its own header, at any depth, is refused; so is
// one that reaches past what is around it.
func TestP3ParameterLengthOfRecordedMessages(t *testing.T) {
	tried := 0
	for _, c := range shapes(t) {
		if _, err := decode(c.proto, c.bytes); err != nil {
			continue
		}
		params(c, func(off int) {
			for _, n := range []uint16{0, 1, 2, 3, uint16(len(c.bytes) - off + 1), 0xffff} {
				b := append([]byte(nil), c.bytes...)
				binary.BigEndian.PutUint16(b[off+2:], n)
				_, err := decode(c.proto, b)
				require.Error(t, err, "%s %x: length %d at %d", c.proto, b, n, off)
				tried++
			}
		})
	}
	require.Greater(t, tried, 1000)
}

// P15: what was accepted encodes to something that decodes to the same and
// encodes to the same bytes again, however the input was bent.
func TestP15RoundTripOfBentMessages(t *testing.T) {
	accepted := 0
	for _, c := range shapes(t) {
		for off := range c.bytes {
			for _, v := range []byte{0, 1, 4, 0x80, 0xc0, 0xff} {
				b := append([]byte(nil), c.bytes...)
				b[off] ^= v
				if stable(t, c.proto, b) {
					accepted++
				}
			}
		}
	}
	require.Greater(t, accepted, 1000)
}

// stable checks the round trip of b and reports whether b was accepted.
func stable(t *testing.T, proto string, b []byte) bool {
	t.Helper()
	m, err := decode(proto, b)
	if err != nil {
		return false
	}
	at := fmt.Sprintf("%s %x", proto, b)
	require.NoError(t, m.Validate(), at)
	once := m.AppendTo(nil)
	again, err := decode(proto, once)
	require.NoError(t, err, at)
	require.Equal(t, once, again.AppendTo(nil), at)
	require.Equal(t, m.String(), again.String(), at)
	return true
}

// Encoding into a buffer that is large enough costs no allocation.
func TestAppendToDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 2048)
	done := map[string]bool{}
	for _, c := range recorded(t) {
		m, err := decode(c.proto, c.bytes)
		kind := fmt.Sprintf("%s %d", c.proto, c.bytes[0])
		if err != nil || done[kind] {
			continue
		}
		done[kind] = true
		require.Zero(t, testing.AllocsPerRun(10, func() { m.AppendTo(buf) }), kind)
	}
	require.Greater(t, len(done), 20, "both protocols, nearly all messages")
}
