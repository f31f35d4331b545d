package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

// fragments cuts a message into DATA chunks, each in a packet of its own.
func fragments(tag wire.VTag, first wire.TSN, ppid wire.PPID, message []byte, size int) [][]byte {
	var all [][]byte
	for off := 0; off < len(message); off += size {
		d := wire.Data{TSN: first.Add(uint32(len(all))), Stream: 1, PPID: ppid, Begin: off == 0, End: off+size >= len(message),
			Payload: message[off:min(off+size, len(message))]}
		b := d.AppendTo(wire.Header{SrcPort: 1, DstPort: 2, VTag: tag}.AppendTo(nil))
		wire.SetChecksum(b)
		all = append(all, b)
	}
	return all
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// Messages in several chunks are put together whatever the order of the chunks, and shown
// with the one that was missing; what was sent twice, other associations with the same
// TSNs, and other protocols do not disturb.
func TestDumpReassembles(t *testing.T) {
	one := (&asap.Cookie{Cookie: bytes.Repeat([]byte("A"), 3000)}).AppendTo(nil)
	two := (&enrp.ListRequest{Sender: 0x2222}).AppendTo(nil)
	r := rand.New(rand.NewPCG(1, 1))
	for seed := range 50 {
		last := wire.TSN(1<<32 - 2) // across the wrap
		packets := append(fragments(7, last, 11, one, 700), fragments(8, last, 12, two, 4)...)
		packets = append(packets, fragments(9, last, 46, bytes.Repeat([]byte{1}, 3000), 700)...)
		packets = append(packets, packets[r.IntN(len(packets))])
		r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		out, err := execute(t, bytes.NewReader(pcap(t, 9899, packets...)), "dump", "--json", "-")
		require.NoError(t, err)
		var seen []string
		for _, row := range rows(t, out) {
			require.Empty(t, row.Error, seed)
			if row.Message != "" {
				seen = append(seen, fmt.Sprintf("%s in %d", strings.Fields(row.Message)[0], row.Fragments))
			}
		}
		require.ElementsMatch(t, []string{"COOKIE in 5", "LIST_REQUEST in 3"}, seen)
	}
	text, err := execute(t, bytes.NewReader(pcap(t, 9899, fragments(7, 1, 11, one, 700)...)), "dump", "-")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Contains(t, lines[4], "COOKIE")
	require.Contains(t, lines[4], "(in 5 chunks)")
	require.NotContains(t, lines[3], "COOKIE")
}

// Neighbours in TSN that are no neighbours in a message are not joined.
func TestDumpDoesNotMixMessages(t *testing.T) {
	a := (&enrp.ListRequest{Sender: 1}).AppendTo(nil)
	b := (&enrp.ListRequest{Sender: 2}).AppendTo(nil)
	pa, pb := fragments(7, 10, 12, a, 4), fragments(7, 13, 12, b, 4)
	packets := [][]byte{pa[1], pa[2], pb[0], pb[1], pb[2], pa[0]} // b is complete first
	out, err := execute(t, bytes.NewReader(pcap(t, 9899, packets...)), "dump", "--json", "-")
	require.NoError(t, err)
	var seen []string
	for _, row := range rows(t, out) {
		require.Empty(t, row.Error)
		if row.Message != "" {
			seen = append(seen, row.Message)
		}
	}
	require.Len(t, seen, 2)
	require.Contains(t, seen[0], "00000002")
	require.Contains(t, seen[1], "00000001")
}

// A malformed message is named when it is complete.
func TestDumpNamesMalformedReassembled(t *testing.T) {
	bad := make([]byte, 3000)
	binary.BigEndian.PutUint32(bad, 0x7f000bb8)
	out, err := execute(t, bytes.NewReader(pcap(t, 9899, fragments(7, 1, 11, bad, 700)...)), "dump", "-")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(out, "MALFORMED"))
}

// A capture that never completes a message costs a bounded amount of memory, and one of
// tiny fragments a bounded amount of time.
func TestReassemblyIsBounded(t *testing.T) {
	r := newReassembly(100_000)
	h := &wire.Header{SrcPort: 1, DstPort: 2}
	for i := range uint32(20_000) {
		h.VTag = wire.VTag(i)
		b, _ := r.add(h, &wire.Data{TSN: wire.TSN(i), PPID: 11, Begin: true, Payload: make([]byte, 1000)})
		require.Nil(t, b)
		require.LessOrEqual(t, r.bytes, r.limit)
		require.LessOrEqual(t, len(r.parts), 100)
	}
	require.LessOrEqual(t, len(r.order), 2*r.limit/partOverhead)
	r = newReassembly(maxParts)
	for i := range uint32(2000) { // at most maxFragments are looked at for each
		b, _ := r.add(h, &wire.Data{TSN: wire.TSN(i), PPID: 11, End: i == 1999, Payload: []byte{1}})
		require.Nil(t, b)
	}
	b, _ := r.add(h, &wire.Data{TSN: wire.TSN(1<<32 - 1), PPID: 11, Begin: true, Payload: []byte{1}})
	require.Nil(t, b, "no message has so many")
}

// A fragment that is sent again after its message was complete is not taken for the old one
// when room is made.
func TestReassemblyForgetsTheOldestOnly(t *testing.T) {
	r := newReassembly(3 * (1000 + partOverhead))
	h := &wire.Header{SrcPort: 1, DstPort: 2}
	add := func(tsn wire.TSN, begin, end bool) ([]byte, int) {
		return r.add(h, &wire.Data{TSN: tsn, PPID: 11, Begin: begin, End: end, Payload: make([]byte, 1000)})
	}
	_, n := add(1, true, false)
	require.Zero(t, n)
	b, n := add(2, false, true)
	require.Equal(t, 2, n)
	require.Len(t, b, 2000)
	for tsn := range wire.TSN(3) {
		_, n := add(10+2*tsn, true, false)
		require.Zero(t, n)
	}
	_, n = add(1, true, false) // the first of those of the loop makes room
	require.Zero(t, n)
	_, n = add(2, false, true) // so does the second
	require.Equal(t, 2, n, "TSN 1 is there still")
	_, n = add(15, false, true)
	require.Equal(t, 2, n, "TSN 14, too")
}

// A fragment does not make room for itself.
func TestReassemblyKeepsTheNewest(t *testing.T) {
	r := newReassembly(1)
	h := &wire.Header{SrcPort: 1, DstPort: 2}
	require.NotPanics(t, func() {
		b, n := r.add(h, &wire.Data{TSN: 1, Begin: true, End: true, Payload: make([]byte, 100)})
		require.Equal(t, 1, n)
		require.Len(t, b, 100)
	})
}

// What the capture has cut is no mistake of the sender: it is marked, and its fields are
// shown as far as they are there.
func TestDumpCutPackets(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, &capture.Options{SnapLen: 96})
	require.NoError(t, err)
	packet := sealed(&wire.Sack{CumTSN: 7, ARwnd: 1000}, &wire.Data{TSN: 8, Begin: true, End: true, PPID: 11, Payload: make([]byte, 500)})
	w.Capture(capture.Packet{Time: time.Unix(1, 0), Out: true, Local: addrPort("10.0.0.1:9899"), Remote: addrPort("10.0.0.2:9899"), Data: packet})
	w.Capture(capture.Packet{Time: time.Unix(1, 0), Out: true, Local: addrPort("[::1]:0"), Remote: addrPort("[::2]:0"), Data: packet})
	require.NoError(t, w.Close())
	out, err := execute(t, bytes.NewReader(file.Bytes()), "dump", "--json", "-")
	require.NoError(t, err)
	all := rows(t, out)
	require.Len(t, all, 4)
	for i, r := range all {
		require.Empty(t, r.Error)
		require.Equal(t, i%2 == 1, r.Cut)
		require.Equal(t, i/2+1, r.Packet)
	}
	require.Contains(t, all[1].Text, "tsn=8")
	require.Contains(t, all[1].String(), "(cut)")
}

// The pieces of an IP datagram are named as such: what is in them is not told.
func TestDumpIPFragments(t *testing.T) {
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeRaw))
	for _, ip := range []layers.IPv4{{Flags: layers.IPv4MoreFragments}, {FragOffset: 10}} {
		ip.Version, ip.TTL, ip.Protocol, ip.SrcIP, ip.DstIP = 4, 64, layers.IPProtocolUDP, []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}
		buf := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, &ip, gopacket.Payload(make([]byte, 80))))
		b := buf.Bytes()
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(b), Length: len(b)}, b))
	}
	out, err := execute(t, &file, "dump", "-")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out, "IP fragment"))
	require.NotContains(t, out, "MALFORMED")
}

// Chunks of extensions have their names.
func TestDumpNamesExtensions(t *testing.T) {
	for typ, name := range map[wire.ChunkType]string{
		wire.TypeAuth: "AUTH", wire.TypeIData: "I-DATA", wire.TypeAsconf: "ASCONF", wire.TypeAsconfAck: "ASCONF-ACK", wire.TypeReconfig: "RE-CONFIG",
		wire.TypePad: "PAD", wire.TypeForwardTSN: "FORWARD-TSN", wire.TypeIForwardTSN: "I-FORWARD-TSN", wire.TypeECNE: "ECNE", wire.TypeCWR: "CWR", 99: "CHUNK-99",
	} {
		out, err := execute(t, bytes.NewReader(pcap(t, 9899, sealed(raw{byte(typ), 0, 0, 8, 0, 0, 0, 1}))), "dump", "--json", "-")
		require.NoError(t, err)
		r := rows(t, out)[0]
		require.Equal(t, name, r.Chunk)
		require.True(t, strings.HasPrefix(r.Text, name+" "), r.Text)
		require.Empty(t, r.Error)
	}
}
