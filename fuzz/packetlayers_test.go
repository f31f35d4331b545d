package fuzz

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool/packetlayers"
	"github.com/rserpool/rserpool/sctp/wire"
)

// FuzzPacketLayers: gopacket finds with our layers what the codecs find, in a message
// and in an SCTP packet around it, and nothing makes our part panic. (gopacket's own SCTP
// decoders do; it catches that.)
func FuzzPacketLayers(f *testing.F) {
	for i, proto := range []string{"asap", "enrp"} {
		for _, b := range rserpoolSeeds(f, proto) {
			f.Add(b, i == 1)
		}
	}
	packetlayers.Register()
	f.Fuzz(func(t *testing.T, b []byte, isENRP bool) {
		typ, ppid := packetlayers.LayerTypeASAP, wire.PPID(asap.PPID)
		var want interface{ String() string }
		var err error
		if isENRP {
			typ, ppid = packetlayers.LayerTypeENRP, wire.PPID(enrp.PPID)
			want, err = enrp.Decode(b)
		} else {
			want, err = asap.Decode(b)
		}
		strict := gopacket.DecodeOptions{SkipDecodeRecovery: true, NoCopy: true}
		alone := gopacket.NewPacket(b, typ, strict)
		checkLayer(t, alone, typ, want, err)
		if len(b) == 0 || len(b) > 60_000 {
			return
		}
		d := wire.Data{TSN: 1, Begin: true, End: true, PPID: ppid, Payload: b}
		packet := (&wire.ShutdownAck{}).AppendTo(d.AppendTo(wire.Header{SrcPort: 1, DstPort: 2, VTag: 3}.AppendTo(nil)))
		whole := gopacket.NewPacket(packet, layers.LayerTypeSCTP, strict)
		checkLayer(t, whole, typ, want, err)
		if err == nil {
			require.NotNil(t, whole.Layer(layers.LayerTypeSCTPShutdownAck), "the chunk behind")
		}
		gopacket.NewPacket(b, layers.LayerTypeSCTP, gopacket.NoCopy)
	})
}

// checkLayer compares the layer of a message with what the codec made of it.
func checkLayer(t *testing.T, p gopacket.Packet, typ gopacket.LayerType, want interface{ String() string }, err error) {
	if err != nil {
		require.NotNil(t, p.ErrorLayer())
		return
	}
	require.Nil(t, p.ErrorLayer())
	switch l := p.Layer(typ).(type) {
	case *packetlayers.ASAP:
		require.Equal(t, want.String(), l.Message.String())
	case *packetlayers.ENRP:
		require.Equal(t, want.String(), l.Message.String())
	default:
		t.Fatalf("no layer: %v", p)
	}
}
