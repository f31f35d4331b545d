package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/sctp/wire"
)

// captures are files that Linux, usrsctp and rsplib took part in.
func captures(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{"../../sctp/wire/testdata", "../../rserpool/testdata/captures"} {
		files, err := filepath.Glob(dir + "/*.pcapng")
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		all = append(all, files...)
	}
	return all
}

// Every capture is printed, a line a chunk, and the JSON rows are the same ones. None
// of what these stacks sent is malformed, but for user data that a test program sent
// with the identifier of ASAP, and for the messages that were made up to see what
// rsplib answers to errors.
func TestDumpCaptures(t *testing.T) {
	for _, file := range captures(t) {
		text, err := execute(t, nil, "dump", file)
		require.NoError(t, err, file)
		require.NotEmpty(t, text, file)
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "ppid=11 len=1 ") && !strings.HasSuffix(file, "asap-errors.pcapng") && !strings.HasSuffix(file, "enrp-probe.pcapng") {
				require.NotContains(t, line, "MALFORMED", file)
			}
		}
		asJSON, err := execute(t, nil, "dump", "--json", file)
		require.NoError(t, err, file)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		rows := rows(t, asJSON)
		require.Len(t, rows, len(lines), file)
		for i, r := range rows {
			require.Equal(t, r.String(), lines[i])
		}
	}
}

// The protocols inside are decoded, in DATA chunks and in multicast datagrams.
func TestDumpProtocols(t *testing.T) {
	for file, words := range map[string][]string{
		"../../sctp/wire/testdata/sctp-basic.pcapng":                   {"INIT", "COOKIE", "SACK", "SHUTDOWN", "tag=0x"},
		"../../sctp/wire/testdata/sctp-ipv6.pcapng":                    {"[", "]@9899"},
		"../../sctp/wire/testdata/sctp-native.pcapng":                  {"INIT"},
		"../../rserpool/testdata/captures/asap-session.pcapng":         {"REGISTRATION", "HANDLE_RESOLUTION"},
		"../../rserpool/testdata/captures/enrp-takeover.pcapng":        {"PRESENCE", "TAKEOVER"},
		"../../rserpool/testdata/captures/asap-failover-cookie.pcapng": {"COOKIE"},
	} {
		out, err := execute(t, nil, "dump", file)
		require.NoError(t, err)
		for _, w := range words {
			require.Contains(t, strings.ToUpper(out), strings.ToUpper(w), file)
		}
	}
}

func rows(t *testing.T, out string) []*row {
	t.Helper()
	var all []*row
	dec := json.NewDecoder(strings.NewReader(out))
	for {
		var r row
		err := dec.Decode(&r)
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, &r)
	}
}

// pcap makes a capture file of UDP datagrams from port 9899 to the given one.
func pcap(t testing.TB, port uint16, payloads ...[]byte) []byte {
	t.Helper()
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeRaw))
	for _, p := range payloads {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
		udp := &layers.UDP{SrcPort: 40000, DstPort: layers.UDPPort(port)}
		buf := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ip, udp, gopacket.Payload(p)))
		b := buf.Bytes()
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(b), Length: len(b)}, b))
	}
	return file.Bytes()
}

// sealed makes a packet of chunks with a right checksum.
func sealed(chunks ...interface{ AppendTo([]byte) []byte }) []byte {
	b := wire.Header{SrcPort: 1, DstPort: 2, VTag: 3}.AppendTo(nil)
	for _, c := range chunks {
		b = c.AppendTo(b)
	}
	wire.SetChecksum(b)
	return b
}

type raw []byte

func (r raw) AppendTo(b []byte) []byte { return append(b, r...) }

// What is malformed is named, and what follows it is printed.
func TestDumpNamesMalformed(t *testing.T) {
	good := sealed(&wire.ShutdownAck{})
	badSum := append([]byte(nil), good...)
	badSum[8] ^= 1
	message := func(ppid uint32, b []byte) []byte {
		return sealed(&wire.Data{Begin: true, End: true, PPID: wire.PPID(ppid), Payload: b})
	}
	for name, p := range map[string][]byte{
		"checksum":         badSum,
		"header only":      good[:12],
		"short":            good[:5],
		"empty datagram":   {},
		"chunk length":     sealed(raw{6, 0, 0, 3}),
		"chunk beyond":     sealed(raw{6, 0, 0, 30, 1, 2, 3, 4}),
		"SACK counts":      sealed(raw{3, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0}),
		"INIT cut":         sealed(raw{1, 0, 0, 8, 0, 0, 0, 1}),
		"ASAP empty":       message(asap.PPID, []byte{0}),
		"ASAP cut":         message(asap.PPID, []byte{1, 0, 0, 40, 0, 0}),
		"ENRP cut":         message(12, []byte{1, 0, 0, 40, 0, 0}),
		"ASAP unknown":     message(asap.PPID, []byte{0x7f, 0, 0, 4}),
		"last chunk bad":   sealed(&wire.CookieAck{}, raw{3, 0, 0, 5, 1, 0, 0, 0}),
		"DATA header only": sealed(raw{0, 3, 0, 8, 0, 0, 0, 0}),
	} {
		out, err := execute(t, bytes.NewReader(pcap(t, 9899, p, good)), "dump", "-")
		require.NoError(t, err, name)
		require.Contains(t, out, "MALFORMED: ", name)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Contains(t, lines[len(lines)-1], "SHUTDOWN", name)
		require.NotContains(t, lines[len(lines)-1], "MALFORMED", name)
	}
	out, err := execute(t, bytes.NewReader(pcap(t, 3863, []byte{1, 2, 3})), "dump", "-", "--json")
	require.NoError(t, err)
	require.NotEmpty(t, rows(t, out)[0].Error, "a multicast datagram")
}

// Other traffic is left out; SCTP on an unusual UDP port is found by its checksum.
func TestDumpFindsSCTP(t *testing.T) {
	out, err := execute(t, bytes.NewReader(pcap(t, 53, []byte("a DNS query"))), "dump", "-")
	require.NoError(t, err)
	require.Empty(t, out)
	out, err = execute(t, bytes.NewReader(pcap(t, 5353, sealed(&wire.CookieAck{}))), "dump", "-")
	require.NoError(t, err)
	require.Contains(t, out, "COOKIE")
}

// A file that ends in the middle of a packet is a failure, but what came before it
// is printed.
func TestDumpCutFile(t *testing.T) {
	whole := pcap(t, 9899, sealed(&wire.CookieAck{}), sealed(&wire.ShutdownAck{}))
	out, err := execute(t, bytes.NewReader(whole[:len(whole)-5]), "dump", "-")
	require.Error(t, err)
	require.Contains(t, out, "COOKIE")
	for n := range 24 {
		_, err := execute(t, bytes.NewReader(whole[:n]), "dump", "-")
		require.Error(t, err, n)
	}
}

// FuzzDump: any file is printed or refused, and every row is one line of text and of
// JSON.
func FuzzDump(f *testing.F) {
	for _, file := range captures(f) {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(b[:min(len(b), 4000)])
	}
	f.Add(pcap(f, 9899, sealed(&wire.CookieAck{}), sealed(raw{6, 0, 0, 3})))
	f.Add(pcap(f, 3863, []byte{1, 0, 0, 4}))
	f.Fuzz(func(t *testing.T, file []byte) {
		var text, asJSON bytes.Buffer
		err := dump(bytes.NewReader(file), &text, false)
		require.Equal(t, err == nil, dump(bytes.NewReader(file), &asJSON, true) == nil)
		rows := rows(t, asJSON.String())
		require.Equal(t, len(rows), strings.Count(text.String(), "\n"))
		for _, c := range text.String() {
			require.True(t, c == '\n' || c >= ' ' && c != 0x7f, "a control character would reach the terminal")
		}
		dumpWithLittleRoom(t, file)
	})
}

// dumpWithLittleRoom has fragments make room for each other, for which dump needs
// megabytes.
func dumpWithLittleRoom(t *testing.T, file []byte) {
	frames, err := openCapture(bytes.NewReader(file))
	if err != nil {
		return
	}
	d := &dissector{parts: newReassembly(3 * partOverhead)}
	for f, err := frames(); err == nil; f, err = frames() {
		for range d.rows(f) {
			require.True(t, d.parts.bytes <= d.parts.limit || len(d.parts.order) == 1)
		}
	}
}

// The fields of --json, which other programs read, in their order.
func TestDumpJSONFields(t *testing.T) {
	b, err := json.Marshal(&row{1, "t", "f", "t", "v", "c", "x", "m", 2, true, "e"})
	require.NoError(t, err)
	require.Equal(t, `{"packet":1,"time":"t","from":"f","to":"t","vtag":"v","chunk":"c","text":"x","message":"m","fragments":2,"cut":true,"error":"e"}`, string(b))
	b, err = json.Marshal(&row{})
	require.NoError(t, err)
	require.Equal(t, `{"packet":0,"time":"","from":"","to":""}`, string(b))
}
