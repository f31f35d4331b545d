package rserpool_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

var update = flag.Bool("update", false, "rewrite testdata/messages.txt from testdata/captures")

// message is what asap.Message and enrp.Message have in common.
type message interface {
	AppendTo(b []byte) []byte
	Validate() error
	ReportCauses() []rserpool.Cause
	String() string
}

// decode decodes a message of the protocol "asap" or "enrp".
func decode(proto string, b []byte) (message, error) {
	if proto == "asap" {
		return asap.Decode(b)
	}
	return enrp.Decode(b)
}

// captured is one distinct message of a capture.
type captured struct {
	proto string // "asap" or "enrp"
	bytes []byte
}

// readCapture returns the distinct ASAP and ENRP messages of a pcapng file in the
// order of their first appearance.
func readCapture(t *testing.T, path string) []captured {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	var all []captured
	add := func(proto string, b []byte) {
		same := func(c captured) bool { return c.proto == proto && string(c.bytes) == string(b) }
		if !slices.ContainsFunc(all, same) {
			all = append(all, captured{proto, slices.Clone(b)})
		}
	}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		pkt := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
		udp, ok := pkt.TransportLayer().(*layers.UDP)
		if !ok {
			continue
		}
		ip, _ := pkt.NetworkLayer().(*layers.IPv4)
		multicast := ip != nil && net.IP(ip.DstIP).IsMulticast()
		switch {
		case udp.DstPort == layers.UDPPort(rserpool.DefaultUDPPort):
			sctpMessages(udp.Payload, add)
		case multicast && udp.DstPort == layers.UDPPort(asap.Port):
			add("asap", udp.Payload)
		case multicast && udp.DstPort == layers.UDPPort(enrp.Port):
			add("enrp", udp.Payload)
		}
	}
}

// sctpMessages walks the chunks of an SCTP packet (RFC 9260 §3) and yields the
// unfragmented user messages of ASAP and ENRP.
func sctpMessages(pkt []byte, add func(string, []byte)) {
	if len(pkt) < 12 {
		return
	}
	for b := pkt[12:]; len(b) >= 4; {
		typ, flags, n := b[0], b[1], int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return
		}
		if typ == 0 && flags&3 == 3 && n > 16 {
			switch binary.BigEndian.Uint32(b[12:]) {
			case asap.PPID:
				add("asap", b[16:n])
			case enrp.PPID:
				add("enrp", b[16:n])
			}
		}
		b = b[min(len(b), n+-n&3):]
	}
}

// describe is the second half of a line in messages.txt.
func describe(c captured) string {
	m, err := decode(c.proto, c.bytes)
	if err != nil {
		e := err.(*rserpool.Error)
		return fmt.Sprintf("error %v; reply %q", e, rserpool.CausesString(e.Causes))
	}
	s := m.String()
	if causes := m.ReportCauses(); causes != nil {
		s += "; report " + rserpool.CausesString(causes)
	}
	return s
}

// The golden file has one distinct message per line: protocol, hex, and what the
// decoder makes of it. Tests of other packages read the messages from there.
func TestCapturesDecodeAsRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/captures/*.pcapng")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var got strings.Builder
	seen := map[string]bool{}
	for _, f := range files {
		fmt.Fprintf(&got, "# %s\n", filepath.Base(f))
		for _, c := range readCapture(t, f) {
			key := fmt.Sprintf("%s %x", c.proto, c.bytes)
			if !seen[key] {
				seen[key] = true
				fmt.Fprintf(&got, "%s\n\t%s\n", key, describe(c))
			}
		}
	}
	const golden = "testdata/messages.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "run with -update and review the diff")
}
