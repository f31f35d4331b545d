package packetlayers_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool/packetlayers"
	"github.com/rserpool/rserpool/sctp/wire"
)

func TestMain(m *testing.M) {
	packetlayers.Register()
	packetlayers.Register() // once is enough, twice does no harm
	os.Exit(m.Run())
}

// packets returns the packets of a capture.
func packets(t testing.TB, file string) (all [][]byte, link layers.LinkType) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	for {
		b, _, err := r.ReadPacketData()
		if err == io.EOF {
			return all, r.LinkType()
		}
		require.NoError(t, err)
		all = append(all, b)
	}
}

// expected finds the messages of a packet with the decoders of this module: those in
// one DATA chunk, and those in multicast datagrams.
func expected(t testing.TB, b []byte, link layers.LinkType) (all []string) {
	t.Helper()
	udp, ok := gopacket.NewPacket(b, link, gopacket.DecodeOptions{Lazy: true}).Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok {
		return nil
	}
	add := func(proto int, b []byte) {
		var m fmt.Stringer
		var err error
		if proto == int(asap.PPID) {
			m, err = asap.Decode(b)
		} else {
			m, err = enrp.Decode(b)
		}
		if err == nil {
			all = append(all, m.String())
		} else {
			all = append(all, "malformed")
		}
	}
	switch udp.DstPort {
	case layers.UDPPort(asap.Port):
		add(int(asap.PPID), udp.Payload)
		return all
	case layers.UDPPort(enrp.Port):
		add(int(enrp.PPID), udp.Payload)
		return all
	}
	pkt, err := wire.Parse(udp.Payload)
	if err != nil {
		return nil
	}
	for c := range pkt.Chunks() {
		var d wire.Data
		if c.Type() == wire.TypeData && d.Decode(c) == nil && d.Begin && d.End && (d.PPID == 11 || d.PPID == 12) {
			add(int(d.PPID), d.Payload)
		}
	}
	return all
}

// messages lists the messages in a packet as gopacket sees it.
func messages(p gopacket.Packet) (all []string) {
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *packetlayers.ASAP:
			all = append(all, shown(l.Message))
		case *packetlayers.ENRP:
			all = append(all, shown(l.Message))
		}
	}
	return all
}

func shown[M interface {
	comparable
	String() string
}](m M) string {
	var none M
	if m == none {
		return "malformed"
	}
	return m.String()
}

// In what rsplib sent gopacket finds every message that is there, bundled ones too.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob("../testdata/captures/*.pcapng")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	total := 0
	for _, file := range files {
		all, link := packets(t, file)
		for i, b := range all {
			want := expected(t, b, link)
			p := gopacket.NewPacket(b, link, []gopacket.DecodeOptions{gopacket.Default, gopacket.Lazy, gopacket.NoCopy}[i%3])
			require.Equal(t, want, messages(p), "%s packet %d", file, i)
			total += len(want)
			if len(want) > 0 {
				require.NotNil(t, p.ApplicationLayer())
			}
			if i%20 == 0 {
				require.NotPanics(t, func() { _ = p.String() + p.Dump() })
			}
		}
	}
	require.Greater(t, total, 300)
}

// recorded is the messages of rsplib, by protocol.
func recorded(t testing.TB) map[string][][]byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/messages.txt")
	require.NoError(t, err)
	all := map[string][][]byte{}
	for line := range strings.Lines(string(text)) {
		if proto, h, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "\t") && (proto == "asap" || proto == "enrp") {
			b, err := hex.DecodeString(h)
			require.NoError(t, err)
			all[proto] = append(all[proto], b)
		}
	}
	require.NotEmpty(t, all["asap"])
	require.NotEmpty(t, all["enrp"])
	return all
}

// A message is decoded by its layer type alone, and written as it was read.
func TestRoundTrip(t *testing.T) {
	check := func(b []byte, typ gopacket.LayerType, l gopacket.SerializableLayer) {
		p := gopacket.NewPacket(b, typ, gopacket.Default)
		got := p.Layer(typ)
		require.NotNil(t, got)
		require.Equal(t, b, p.ApplicationLayer().Payload())
		require.Equal(t, b, got.LayerContents())
		d := l.(gopacket.DecodingLayer)
		if d.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
			require.NotNil(t, p.ErrorLayer())
			return
		}
		require.Nil(t, p.ErrorLayer())
		require.Equal(t, typ, d.CanDecode())
		require.Equal(t, gopacket.LayerTypeZero, d.NextLayerType())
		buf := gopacket.NewSerializeBuffer()
		require.NoError(t, l.SerializeTo(buf, gopacket.SerializeOptions{}))
		again := gopacket.NewPacket(buf.Bytes(), typ, gopacket.Default)
		require.Equal(t, messages(p), messages(again))
	}
	for proto, all := range recorded(t) {
		for _, b := range all {
			if proto == "asap" {
				check(b, packetlayers.LayerTypeASAP, &packetlayers.ASAP{})
			} else {
				check(b, packetlayers.LayerTypeENRP, &packetlayers.ENRP{})
			}
		}
	}
}

// A parser that reuses its layers, gopacket's fast way, decodes into them.
func TestDecodingLayerParser(t *testing.T) {
	var a packetlayers.ASAP
	parser := gopacket.NewDecodingLayerParser(packetlayers.LayerTypeASAP, &a)
	var types []gopacket.LayerType
	for _, b := range recorded(t)["asap"] {
		want, err := asap.Decode(b)
		require.Equal(t, err == nil, parser.DecodeLayers(b, &types) == nil)
		if err == nil {
			require.Equal(t, []gopacket.LayerType{packetlayers.LayerTypeASAP}, types)
			require.Equal(t, want, a.Message)
			require.Equal(t, want.Type(), a.Type)
		}
	}
}

// What is cut or wrong is a failure with what can be known, at every length.
func TestMalformed(t *testing.T) {
	for proto, all := range recorded(t) {
		typ := packetlayers.LayerTypeASAP
		if proto == "enrp" {
			typ = packetlayers.LayerTypeENRP
		}
		b := all[0]
		for n := range len(b) - 3 { // without its padding a message is whole
			p := gopacket.NewPacket(b[:n], typ, gopacket.DecodeOptions{SkipDecodeRecovery: true})
			require.NotNil(t, p.ErrorLayer(), "%s cut to %d", proto, n)
			require.True(t, p.Metadata().Truncated, "%s cut to %d", proto, n)
		}
	}
	var a packetlayers.ASAP
	require.Error(t, a.DecodeFromBytes([]byte{0x7f, 9, 0, 4}, gopacket.NilDecodeFeedback))
	require.Equal(t, asap.MessageType(0x7f), a.Type)
	require.EqualValues(t, 9, a.Flags)
	require.Nil(t, a.Message)
	require.Error(t, a.SerializeTo(gopacket.NewSerializeBuffer(), gopacket.SerializeOptions{}))
	var e packetlayers.ENRP
	require.Error(t, e.SerializeTo(gopacket.NewSerializeBuffer(), gopacket.SerializeOptions{}))
}

// sealed makes an SCTP packet.
func sealed(chunks ...wire.Chunk) []byte {
	b := wire.Header{SrcPort: 3863, DstPort: 5000, VTag: 1}.AppendTo(nil)
	for _, c := range chunks {
		b = c.AppendTo(b)
	}
	wire.SetChecksum(b)
	return b
}

// The chunks behind a message are decoded; fragments and other protocols are payload as
// ever.
func TestBundles(t *testing.T) {
	one := (&asap.HandleResolution{Handle: "one"}).AppendTo(nil)
	two := (&enrp.ListRequest{Sender: 7}).AppendTo(nil)
	data := func(ppid uint32, flags string, b []byte) *wire.Data {
		return &wire.Data{TSN: 1, PPID: wire.PPID(ppid), Begin: strings.Contains(flags, "B"), End: strings.Contains(flags, "E"), Payload: b}
	}
	p := gopacket.NewPacket(sealed(&wire.Sack{CumTSN: 1}, data(11, "BE", one), data(12, "BE", two), data(99, "BE", []byte("xyz"))), layers.LayerTypeSCTP, gopacket.Default)
	require.Nil(t, p.ErrorLayer())
	var types []gopacket.LayerType
	for _, l := range p.Layers() {
		types = append(types, l.LayerType())
	}
	require.Equal(t, []gopacket.LayerType{
		layers.LayerTypeSCTP, layers.LayerTypeSCTPSack,
		layers.LayerTypeSCTPData, packetlayers.LayerTypeASAP,
		layers.LayerTypeSCTPData, packetlayers.LayerTypeENRP,
		layers.LayerTypeSCTPData, gopacket.LayerTypePayload,
	}, types)
	require.Equal(t, []byte("xyz"), []byte(p.Layers()[7].(*gopacket.Payload).LayerContents())[:3])
	require.True(t, bytes.Equal(one, p.Layer(packetlayers.LayerTypeASAP).LayerContents()))
	for _, flags := range []string{"B", "E", ""} {
		p := gopacket.NewPacket(sealed(data(11, flags, one)), layers.LayerTypeSCTP, gopacket.Default)
		require.Nil(t, p.Layer(packetlayers.LayerTypeASAP), flags)
		require.NotNil(t, p.Layer(gopacket.LayerTypePayload), flags)
	}
	whole := sealed(data(11, "BE", one), &wire.CookieAck{})
	for n := range whole {
		require.NotPanics(t, func() { gopacket.NewPacket(whole[:n], layers.LayerTypeSCTP, gopacket.Default) })
	}
}
