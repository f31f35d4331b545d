package wire_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp/wire"
)

// encapPort is the UDP port of the captures (RFC 6951 §4).
const encapPort = 9899

// captures lists the golden captures: Linux 6.1 and usrsctp 0.9.5.0 talking.
func captures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pcapng")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// capturedPackets returns the SCTP packets of a capture, in UDP or straight over
// IP.
func capturedPackets(t testing.TB, file string) [][]byte {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	var packets [][]byte
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			return packets
		}
		require.NoError(t, err)
		if b := sctpPayload(gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy)); b != nil {
			packets = append(packets, b)
		}
	}
}

// sctpPayload is the SCTP packet in a frame, nil if there is none.
func sctpPayload(p gopacket.Packet) []byte {
	if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		if udp.SrcPort == encapPort || udp.DstPort == encapPort {
			return udp.Payload
		}
		return nil
	}
	if ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok && ip.Protocol == layers.IPProtocolSCTP {
		return ip.Payload
	}
	return nil
}

// Every packet that a well-known stack sent parses, its CRC32c fits, and
// ParseUnchecked sees the same.
func TestCapturesParse(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".pcapng"), func(t *testing.T) {
			packets := capturedPackets(t, file)
			require.NotEmpty(t, packets)
			for n, b := range packets {
				p, err := wire.Parse(b)
				require.NoError(t, err, "packet %d: %x", n, b)
				require.True(t, wire.VerifyChecksum(b))
				require.Equal(t, wire.Checksum(b), p.Sum)
				q, err := wire.ParseUnchecked(b)
				require.NoError(t, err)
				require.Equal(t, p, q)

				again := slices.Clone(b)
				clear(again[8:12])
				wire.SetChecksum(again)
				require.Equal(t, b, again)
				require.Equal(t, b[:8], p.Header.AppendTo(nil)[:8])
				require.NotContains(t, p.String(), "malformed")
			}
		})
	}
}

// Every chunk of the captures whose type has a codec decodes, and re-encodes to
// the bytes that came, padding included. ERROR does not occur in them.
func TestCapturesReencodeIdentically(t *testing.T) {
	seen := map[wire.ChunkType]int{}
	for _, file := range captures(t) {
		for n, b := range capturedPackets(t, file) {
			p, err := wire.Parse(b)
			require.NoError(t, err)
			for raw := range p.Chunks() {
				if raw.Type() > wire.TypeShutdownComplete {
					continue // of an extension without a codec
				}
				d, err := wire.DecodeChunk(raw)
				require.NoError(t, err, "%s packet %d: %v", file, n, raw)
				seen[raw.Type()]++
				if i, ok := d.(*wire.Init); ok {
					requireSameInit(t, raw, i)
					continue
				}
				got := d.AppendTo(nil)
				require.Len(t, got, d.Len())
				require.Equal(t, raw.Bytes(), got[:raw.Len()], "%s packet %d: %v", file, n, raw)
				require.Equal(t, make([]byte, len(got)-raw.Len()), got[raw.Len():])
			}
		}
	}
	for typ := wire.TypeData; typ <= wire.TypeShutdownComplete; typ++ {
		if typ != wire.TypeError {
			require.Positive(t, seen[typ], "the captures have no %v", typ)
		}
	}
}

// requireSameInit checks that i encodes to what it was decoded from, once Extra
// holds the parameters of extensions, which Decode skips. usrsctp orders
// parameters in its own way, so its chunks come back the same in meaning only.
func requireSameInit(t *testing.T, raw wire.RawChunk, i *wire.Init) {
	t.Helper()
	r := tlv.NewReader(raw.Value())
	r.Bytes(16)
	for {
		p, ok := r.Next()
		if !ok {
			break
		}
		switch wire.ParamType(p.Type) {
		case wire.ParamRandom, wire.ParamHMACAlgorithms, wire.ParamChunkList:
			i.Extra = append(tlv.AppendPad(i.Extra, 0), p.Whole...)
		}
	}
	require.NoError(t, r.Err())
	got := i.AppendTo(nil)
	require.Len(t, got, i.Len())

	var again wire.Init
	require.NoError(t, again.Decode(rawChunk(t, got)))
	require.Equal(t, i.String(), again.String())
	require.Equal(t, i.Cookie, again.Cookie)
	if i.InStreams == 2048 {
		return // usrsctp's number of streams
	}
	if len(i.Unrecognized) > 0 {
		return // Adaptation Layer Indication comes before Extra, for Linux behind it
	}
	require.Equal(t, raw.Bytes(), got[:raw.Len()], "%v", raw)
}

// What a multi-homed Linux 6.1 client and server say in their handshake.
func TestCapturedLinuxHandshake(t *testing.T) {
	var got []string
	for _, b := range capturedPackets(t, "testdata/sctp-multihome-init.pcapng")[:4] {
		p, err := wire.Parse(b)
		require.NoError(t, err)
		got = append(got, p.String())
	}
	require.Equal(t, []string{
		"56644>5001 tag=0x00000000 [INIT tag=0x3ed4c393 rwnd=106496 os=10 mis=65535 tsn=342073301" +
			" addrs=10.99.1.12,10.99.2.12 types=5 ecn forward-tsn ext=ASCONF,ASCONF-ACK,RE-CONFIG,AUTH]",
		"5001>56644 tag=0x3ed4c393 [INIT-ACK tag=0xd3cbe242 rwnd=106496 os=10 mis=10 tsn=2648706204" +
			" addrs=10.99.1.11,10.99.2.11 cookie=324 ecn forward-tsn ext=ASCONF,ASCONF-ACK,RE-CONFIG,AUTH]",
		"56644>5001 tag=0xd3cbe242 [COOKIE-ECHO len=324]",
		"5001>56644 tag=0x3ed4c393 [COOKIE-ACK]",
	}, got)
}
