package ipsock

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// A raw IPv4 socket receives the IP header, with options if there are any.
func TestRawPayload(t *testing.T) {
	packet := func(words int, data string) []byte {
		b := append([]byte{0x40 | byte(words)}, make([]byte, 59)...)
		return append(b[:4*words], data...)
	}
	raw4, raw6, udp := &Socket{}, &Socket{}, open(t, "127.0.0.1:0", nil)
	raw4.local = netip.MustParseAddrPort("192.0.2.1:0")
	raw6.local = netip.MustParseAddrPort("[2001:db8::1]:0")
	for words := 5; words <= 15; words++ {
		got, ok := raw4.payload(packet(words, "SCTP"))
		require.True(t, ok)
		require.Equal(t, "SCTP", string(got))
		require.Equal(t, len(got), cap(got))
		for n := range packet(words, "") {
			_, ok := raw4.payload(packet(words, "")[:n])
			require.False(t, ok, "cut")
		}
		got, ok = raw4.payload(packet(words, ""))
		require.True(t, ok)
		require.Empty(t, got)
	}
	for words := range 5 {
		_, ok := raw4.payload(append(packet(words, ""), bytes.Repeat([]byte{0x40}, 40)...))
		require.False(t, ok, "a header of %d bytes", 4*words)
	}
	for _, s := range []*Socket{raw6, udp} {
		got, ok := s.payload([]byte("x"))
		require.True(t, ok)
		require.Equal(t, "x", string(got))
	}
}
