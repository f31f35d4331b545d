package capture_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

var (
	at     = time.Unix(1_700_000_000, 123_456_789)
	local4 = netip.MustParseAddrPort("192.0.2.1:9899")
	peer4  = netip.MustParseAddrPort("198.51.100.7:40000")
	local6 = netip.MustParseAddrPort("[2001:db8::1]:9899")
	peer6  = netip.MustParseAddrPort("[2001:db8::2]:40000")
)

// sealed makes a packet of chunks.
func sealed(tag wire.VTag, chunks ...interface{ AppendTo([]byte) []byte }) []byte {
	b := wire.Header{SrcPort: 5000, DstPort: 5001, VTag: tag}.AppendTo(nil)
	for _, c := range chunks {
		b = c.AppendTo(b)
	}
	wire.SetChecksum(b)
	return b
}

// data is a packet with n bytes of user data.
func data(n int) []byte {
	return sealed(7, &wire.Data{Begin: true, End: true, TSN: 1, Payload: bytes.Repeat([]byte("secret"), n/6+1)[:n]})
}

// write makes a file of packets.
func write(t *testing.T, o *capture.Options, packets ...capture.Packet) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, o)
	require.NoError(t, err)
	for _, p := range packets {
		w.Capture(p)
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "idempotent")
	require.Zero(t, w.Dropped())
	return file.Bytes()
}

// frame is a packet as a reader of other people sees it.
type frame struct {
	data []byte
	info gopacket.CaptureInfo
}

func read(t *testing.T, file []byte) []frame {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	require.Equal(t, layers.LinkTypeRaw, r.LinkType())
	var all []frame
	for {
		b, info, err := r.ReadPacketData()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, frame{b, info})
	}
}

// Addresses, ports, ECN bits, times and SCTP packets come back as they went in, over
// both IPs, in UDP and without.
func TestWriterRoundTrip(t *testing.T) {
	raw := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }
	for name, ends := range map[string][2]netip.AddrPort{
		"IPv4 UDP": {local4, peer4}, "IPv6 UDP": {local6, peer6},
		"IPv4": {raw(local4), raw(peer4)}, "IPv6": {raw(local6), raw(peer6)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 3, 4, 1001} {
				b := data(n)
				all := read(t, write(t, nil,
					capture.Packet{Time: at, Out: true, Local: ends[0], Remote: ends[1], ECN: 2, Data: b},
					capture.Packet{Time: at.Add(time.Nanosecond), Local: ends[0], Remote: ends[1], ECN: 3, Data: b}))
				require.Len(t, all, 2)
				for i, f := range all {
					src, dst, ecn := ends[0], ends[1], uint8(2)
					if i == 1 {
						src, dst, ecn = ends[1], ends[0], 3
					}
					require.True(t, at.Add(time.Duration(i)).Equal(f.info.Timestamp))
					require.Equal(t, len(f.data), f.info.Length)
					checkHeaders(t, f.data, src, dst, ecn, b)
				}
			}
		})
	}
}

// checkHeaders decodes a packet with another decoder.
func checkHeaders(t *testing.T, b []byte, src, dst netip.AddrPort, ecn uint8, want []byte) {
	t.Helper()
	p := gopacket.NewPacket(b, layers.LinkTypeRaw, gopacket.Default)
	require.NotNil(t, p.NetworkLayer())
	from, to := p.NetworkLayer().NetworkFlow().Endpoints()
	require.Equal(t, src.Addr().String(), from.String())
	require.Equal(t, dst.Addr().String(), to.String())
	proto := layers.IPProtocolSCTP
	if src.Port() != 0 {
		proto = layers.IPProtocolUDP
	}
	again := gopacket.NewSerializeBuffer()
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		require.Equal(t, ecn, ip.TOS)
		require.Equal(t, proto, ip.Protocol)
		require.EqualValues(t, len(b), ip.Length)
		sum := ip.Checksum
		require.NoError(t, ip.SerializeTo(again, gopacket.SerializeOptions{ComputeChecksums: true}))
		require.Equal(t, ip.Checksum, sum)
	case *layers.IPv6:
		require.Equal(t, ecn, ip.TrafficClass)
		require.Equal(t, proto, ip.NextHeader)
		require.EqualValues(t, len(b)-40, ip.Length)
	}
	if src.Port() == 0 {
		require.Equal(t, want, p.NetworkLayer().LayerPayload())
		return
	}
	udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	require.True(t, ok)
	require.EqualValues(t, src.Port(), udp.SrcPort)
	require.EqualValues(t, dst.Port(), udp.DstPort)
	require.EqualValues(t, len(want)+8, udp.Length)
	require.Equal(t, want, udp.Payload)
	sum := udp.Checksum
	require.NoError(t, udp.SetNetworkLayerForChecksum(p.NetworkLayer()))
	buf := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true}, udp, gopacket.Payload(want)))
	require.Equal(t, udp.Checksum, sum)
}

// An address that nobody knows yet is the unspecified one.
func TestUnknownLocalAddress(t *testing.T) {
	for _, peer := range []netip.AddrPort{peer4, peer6} {
		all := read(t, write(t, nil, capture.Packet{Time: at, Out: true, Local: netip.AddrPortFrom(netip.Addr{}, 9899), Remote: peer, Data: data(5)}))
		src := netip.AddrPortFrom(netip.IPv6Unspecified(), 9899)
		if peer.Addr().Is4() {
			src = netip.AddrPortFrom(netip.IPv4Unspecified(), 9899)
		}
		checkHeaders(t, all[0].data, src, peer, 0, data(5))
	}
}

// SnapLen cuts what is kept of a packet, and the file tells how long it was.
func TestSnapLen(t *testing.T) {
	out := capture.Packet{Time: at, Out: true, Local: local4, Remote: peer4, Data: data(1000)}
	whole := read(t, write(t, nil, out))[0]
	for _, snap := range []int{64, 65, 128, 5000} {
		f := read(t, write(t, &capture.Options{SnapLen: snap}, out))[0]
		require.Equal(t, len(whole.data), f.info.Length)
		require.Equal(t, whole.data[:min(snap, len(whole.data))], f.data)
	}
	require.Len(t, read(t, write(t, &capture.Options{SnapLen: 1}, out))[0].data, 64, "the least")
}

// Bytes of the wrong kind do no harm: the headers of a file stay right.
func TestAnyBytesAreCaptured(t *testing.T) {
	for _, redact := range []bool{false, true} {
		var all []capture.Packet
		for _, b := range [][]byte{nil, {1}, data(9)[:11], data(9)[:13], bytes.Repeat([]byte{0xff}, 65507), bytes.Repeat([]byte{1}, 100_000)} {
			all = append(all, capture.Packet{Time: at, Local: local4, Remote: peer4, Data: b}, capture.Packet{Time: at, Local: local6, Remote: peer6, Data: b})
		}
		require.Len(t, read(t, write(t, &capture.Options{Redact: redact}, all...)), len(all))
	}
}

// stuck is a file on a disk that does not answer.
type stuck struct {
	bytes.Buffer
	let chan struct{}
	n   int
}

func (w *stuck) Write(b []byte) (int, error) {
	if w.n++; w.n > 1 { // the head of the file gets through
		<-w.let
	}
	return w.Buffer.Write(b)
}

// A disk that is too slow costs packets, and the file says how many, and where.
func TestSlowDiskCostsPackets(t *testing.T) {
	file := &stuck{let: make(chan struct{})}
	w, err := capture.NewWriter(file, &capture.Options{Buffer: 10_000})
	require.NoError(t, err)
	for range 1000 {
		w.Capture(capture.Packet{Time: at, Local: local4, Remote: peer4, Data: data(1000)})
	}
	lost := w.Dropped()
	require.Greater(t, lost, uint64(900))
	close(file.let)
	require.Eventually(t, func() bool {
		before := w.Dropped()
		w.Capture(capture.Packet{Time: at, Local: local4, Remote: peer4, Data: data(10)})
		return w.Dropped() == before
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, w.Close())
	var counted uint64
	for _, o := range options(t, file.Bytes(), 6) {
		if v, ok := o[4]; ok {
			counted += binary.LittleEndian.Uint64(v)
		}
	}
	require.Equal(t, w.Dropped(), counted, "epb_dropcount")
	stats := options(t, file.Bytes(), 5)
	require.Equal(t, w.Dropped(), binary.LittleEndian.Uint64(stats[0][5]), "isb_ifdrop")
	require.Len(t, read(t, file.Bytes()), 1000+int(w.Dropped()-lost)-int(w.Dropped())+1)
}

// options returns the options of each block of a kind, 5 for statistics, 6 for packets.
func options(t *testing.T, file []byte, kind uint32) []map[uint16][]byte {
	t.Helper()
	le := binary.LittleEndian
	var all []map[uint16][]byte
	for len(file) > 0 {
		n := le.Uint32(file[4:])
		block := file[:n]
		require.Equal(t, n, le.Uint32(block[n-4:]), "the length stands at both ends")
		require.Zero(t, n%4)
		if le.Uint32(block) == kind {
			rest := block[20 : n-4]
			if kind == 6 {
				rest = block[28+(le.Uint32(block[20:])+3)&^3 : n-4]
			}
			o := map[uint16][]byte{}
			for code := le.Uint16(rest); code != 0; code = le.Uint16(rest) {
				l := le.Uint16(rest[2:])
				o[code] = rest[4 : 4+l]
				rest = rest[4+(l+3)&^3:]
			}
			all = append(all, o)
		}
		file = file[n:]
	}
	return all
}

// Each packet tells its direction.
func TestDirection(t *testing.T) {
	file := write(t, nil, capture.Packet{Time: at, Out: true, Local: local4, Remote: peer4, Data: data(5)},
		capture.Packet{Time: at, Local: local4, Remote: peer4, Data: data(5)})
	blocks := options(t, file, 6)
	require.Equal(t, []byte{2, 0, 0, 0}, blocks[0][2], "outbound")
	require.Equal(t, []byte{1, 0, 0, 0}, blocks[1][2], "inbound")
}

type failing struct{}

var errFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestWriterReportsErrors(t *testing.T) {
	_, err := capture.NewWriter(failing{}, nil)
	require.ErrorIs(t, err, errFull)
	file := &once{}
	w, err := capture.NewWriter(file, nil)
	require.NoError(t, err)
	w.Capture(capture.Packet{Time: at, Local: local4, Remote: peer4, Data: data(5)})
	require.ErrorIs(t, w.Close(), errFull)
	require.ErrorIs(t, w.Close(), errFull)
	w.Capture(capture.Packet{Time: at, Local: local4, Remote: peer4, Data: data(5)})
}

// once is a file that takes its head and no more.
type once struct{ n int }

func (w *once) Write(b []byte) (int, error) {
	if w.n++; w.n > 1 {
		return 0, errFull
	}
	return len(b), nil
}

// In steady state a packet costs no allocation.
func TestCaptureDoesNotAllocate(t *testing.T) {
	for _, o := range []*capture.Options{nil, {Redact: true, SnapLen: 100}} {
		w, err := capture.NewWriter(io.Discard, o)
		require.NoError(t, err)
		p := capture.Packet{Time: at, Out: true, Local: local4, Remote: peer4, Data: data(1400)}
		for range 5000 {
			w.Capture(p)
		}
		require.Less(t, testing.AllocsPerRun(5000, func() { w.Capture(p) }), 0.5)
		require.NoError(t, w.Close())
	}
}

// goldenPackets is what Linux, usrsctp and we sent, from the captures of package wire.
func goldenPackets(t *testing.T) [][]byte {
	t.Helper()
	files, err := filepath.Glob("../wire/testdata/*.pcapng")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all [][]byte
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(t, err)
		r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
		require.NoError(t, err)
		for {
			b, _, err := r.ReadPacketData()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			p := gopacket.NewPacket(b, r.LinkType(), gopacket.NoCopy)
			if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && wire.VerifyChecksum(udp.Payload) {
				all = append(all, bytes.Clone(udp.Payload))
			}
		}
		require.NoError(t, f.Close())
	}
	require.NotEmpty(t, all)
	return all
}

// Wireshark opens the files, redacted or not: no packet is malformed, all checksums
// are right, and it knows the directions.
func TestTsharkReadsCaptures(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	packets := goldenPackets(t)
	for name, o := range map[string]*capture.Options{"faithful": nil, "redacted": {Redact: true}} {
		t.Run(name, func(t *testing.T) {
			var all []capture.Packet
			for i, b := range packets {
				p := capture.Packet{Time: at, Out: i%2 == 0, Local: local4, Remote: peer4, Data: b}
				if i%3 == 0 {
					p.Local, p.Remote = local6, peer6
				}
				if i%5 == 0 {
					p.Local, p.Remote = netip.AddrPortFrom(p.Local.Addr(), 0), netip.AddrPortFrom(p.Remote.Addr(), 0)
				}
				all = append(all, p)
			}
			file := filepath.Join(t.TempDir(), "x.pcapng")
			require.NoError(t, os.WriteFile(file, write(t, o, all...), 0o600))
			out, err := exec.Command(tshark, "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "sctp.checksum:CRC 32c",
				"--disable-protocol", "m3ua", "--disable-protocol", "asap", // of which the test programs sent numbers without content
				"-T", "fields", "-E", "separator=;", "-e", "frame.packet_flags_direction", "-e", "frame.protocols", "-e", "_ws.malformed",
				"-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "sctp.checksum.status").Output()
			if err != nil {
				t.Skip("tshark does not run here:", err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.Len(t, lines, len(all))
			for i, l := range lines {
				f := strings.Split(l, ";")
				require.Equal(t, map[bool]string{true: "0x00000002", false: "0x00000001"}[all[i].Out], f[0], "packet %d: %s", i, l)
				require.Contains(t, f[1], "sctp", "packet %d: %s", i, l)
				require.Empty(t, f[2], "packet %d: %s %s", i, l, hex.EncodeToString(all[i].Data))
				for _, status := range f[3:] { // 1: right; a header that is not there has none
					require.Contains(t, []string{"", "1"}, status, "packet %d: %s", i, l)
				}
				require.Equal(t, "1", f[5], "packet %d: %s", i, l)
			}
		})
	}
}
