package packetlayers

import (
	"encoding/binary"
	"sync"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// Register changes how gopacket decodes, in the whole process:
//
//   - UDP port 9899 holds SCTP (RFC 6951), and the UDP ports 3863 and 9901 ASAP and
//     ENRP, which announce themselves by multicast;
//   - the payload of a DATA chunk with a whole message of payload protocol 11 is ASAP, of
//     12 ENRP; the chunks bundled behind it are decoded as well, which gopacket does not
//     do for others.
//
// Call it before packets are decoded. Further calls do nothing.
func Register() { register() }

var register = sync.OnceFunc(func() {
	layers.RegisterUDPPortLayerType(layers.UDPPort(rserpool.DefaultUDPPort), layers.LayerTypeSCTP)
	layers.RegisterUDPPortLayerType(layers.UDPPort(asap.Port), LayerTypeASAP)
	layers.RegisterUDPPortLayerType(layers.UDPPort(enrp.Port), LayerTypeENRP)
	data := &layers.SCTPChunkTypeMetadata[layers.SCTPChunkTypeData]
	others := data.DecodeWith
	data.DecodeWith = gopacket.DecodeFunc(func(b []byte, p gopacket.PacketBuilder) error {
		if l := inside(b); l != nil {
			return decodeData(b, l, p)
		}
		return others.Decode(b, p)
	})
})

// Layout of a DATA chunk (RFC 9260 §3.3.1).
const (
	dataHeader = 16
	flagEnd    = 1
	flagBegin  = 2
	flagUnord  = 4
)

// inside returns an empty layer for the message in a DATA chunk that b begins with, nil
// if it holds no whole message of ASAP or ENRP.
func inside(b []byte) messageLayer {
	if len(b) < dataHeader || b[1]&(flagBegin|flagEnd) != flagBegin|flagEnd {
		return nil
	}
	if n := int(binary.BigEndian.Uint16(b[2:])); n < dataHeader || n > len(b) {
		return nil
	}
	switch binary.BigEndian.Uint32(b[12:]) {
	case uint32(asap.PPID):
		return new(ASAP)
	case uint32(enrp.PPID):
		return new(ENRP)
	}
	return nil
}

// decodeData decodes a DATA chunk, the message in it, and what follows.
func decodeData(b []byte, l messageLayer, p gopacket.PacketBuilder) error {
	n := int(binary.BigEndian.Uint16(b[2:]))
	p.AddLayer(&layers.SCTPData{
		SCTPChunk: layers.SCTPChunk{
			BaseLayer: layers.BaseLayer{Contents: b[:dataHeader], Payload: b[dataHeader:n]},
			Type:      layers.SCTPChunkTypeData, Flags: b[1], Length: uint16(n), ActualLength: dataHeader,
		},
		Unordered: b[1]&flagUnord != 0, BeginFragment: true, EndFragment: true,
		TSN: binary.BigEndian.Uint32(b[4:]), StreamId: binary.BigEndian.Uint16(b[8:]), StreamSequence: binary.BigEndian.Uint16(b[10:]),
		PayloadProtocol: layers.SCTPPayloadProtocol(binary.BigEndian.Uint32(b[12:])),
	})
	err := l.DecodeFromBytes(b[dataHeader:n], p)
	rest := b[min((n+3)&^3, len(b)):]
	switch l := l.(type) {
	case *ASAP:
		l.BaseLayer.Payload = rest
	case *ENRP:
		l.BaseLayer.Payload = rest
	}
	p.AddLayer(l)
	p.SetApplicationLayer(l)
	if err != nil || len(rest) == 0 {
		return err
	}
	return p.NextDecoder(gopacket.DecodeFunc(decodeChunk))
}

// decodeChunk decodes the chunk that b begins with.
func decodeChunk(b []byte, p gopacket.PacketBuilder) error {
	if len(b) < headerLen {
		p.SetTruncated()
		return errChunk
	}
	return layers.SCTPChunkType(b[0]).Decode(b, p)
}
