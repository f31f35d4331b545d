package fuzz

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

// FuzzCapture: whatever comes from the network ends up in a file that can be read, as it
// was or redacted; redaction changes no length, breaks no packet and mends none, and
// leaves no byte of user data.
func FuzzCapture(f *testing.F) {
	for _, b := range seeds(f, "../sctp/wire/testdata/*.pcapng") {
		f.Add(b, 0, true)
	}
	local, remote := netip.MustParseAddrPort("192.0.2.1:9899"), netip.MustParseAddrPort("[2001:db8::1]:9899")
	f.Fuzz(func(t *testing.T, packet []byte, snap int, raw bool) {
		p := capture.Packet{Time: time.Unix(1, 0), Out: raw, Local: local, Remote: remote, Data: packet}
		if raw {
			p.Local, p.Remote = netip.AddrPortFrom(local.Addr(), 0), netip.AddrPortFrom(local.Addr(), 0)
		}
		before := bytes.Clone(packet)
		faithful := inFile(t, p, &capture.Options{SnapLen: snap})
		hidden := inFile(t, p, &capture.Options{Redact: true})
		require.Equal(t, before, packet, "what belongs to the stack is not touched")
		require.LessOrEqual(t, len(faithful), len(hidden))
		b := hidden[len(hidden)-len(packet):]
		if len(packet) < wire.HeaderLen {
			require.Equal(t, make([]byte, len(packet)), b)
			return
		}
		require.Equal(t, wire.VerifyChecksum(packet), wire.VerifyChecksum(b))
		was, err := wire.Parse(packet)
		if err != nil {
			require.Equal(t, make([]byte, len(b)-wire.HeaderLen), b[wire.HeaderLen:])
			return
		}
		now, err := wire.Parse(b)
		require.NoError(t, err)
		require.Equal(t, was.VTag == 0, now.VTag == 0)
		for c := range now.Chunks() {
			var d wire.Data
			if c.Type() == wire.TypeData && d.Decode(c) == nil {
				require.Equal(t, make([]byte, len(d.Payload)), d.Payload)
			}
		}
	})
}

// inFile is a packet as a file holds it.
func inFile(t *testing.T, p capture.Packet, o *capture.Options) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, o)
	require.NoError(t, err)
	w.Capture(p)
	require.NoError(t, w.Close())
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	b, _, err := r.ReadPacketData()
	require.NoError(t, err)
	return b
}
