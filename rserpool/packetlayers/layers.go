package packetlayers

import (
	"encoding/binary"
	"errors"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
)

// Types of the layers. gopacket leaves the numbers to its users.
var (
	LayerTypeASAP = gopacket.RegisterLayerType(1863, gopacket.LayerTypeMetadata{Name: "ASAP", Decoder: gopacket.DecodeFunc(decodeASAP)})
	LayerTypeENRP = gopacket.RegisterLayerType(1901, gopacket.LayerTypeMetadata{Name: "ENRP", Decoder: gopacket.DecodeFunc(decodeENRP)})
)

// headerLen is the size of what messages and chunks begin with (RFC 5354 §2).
const headerLen = 4

var (
	errHeader = errors.New("packetlayers: message header is cut")
	errChunk  = errors.New("packetlayers: chunk header is cut")
)

// ASAP is an ASAP message (RFC 5352 §2.2).
type ASAP struct {
	// BaseLayer holds the bytes of the message, and as payload the chunks behind the
	// DATA chunk that it came in.
	layers.BaseLayer
	Type    asap.MessageType
	Flags   uint8
	Length  uint16       // as the header says
	Message asap.Message // nil if it could not be decoded
}

var (
	_ gopacket.ApplicationLayer  = (*ASAP)(nil)
	_ gopacket.DecodingLayer     = (*ASAP)(nil)
	_ gopacket.SerializableLayer = (*ASAP)(nil)
)

// LayerType returns LayerTypeASAP.
func (l *ASAP) LayerType() gopacket.LayerType { return LayerTypeASAP }

// CanDecode returns LayerTypeASAP.
func (l *ASAP) CanDecode() gopacket.LayerClass { return LayerTypeASAP }

// NextLayerType says that nothing is inside of a message.
func (l *ASAP) NextLayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

// Payload returns the bytes of the message.
func (l *ASAP) Payload() []byte { return l.Contents }

// DecodeFromBytes decodes one message: a whole SCTP user message or UDP datagram. The
// error is one of asap.Decode; the fields of the header are then set nonetheless.
func (l *ASAP) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) (err error) {
	*l = ASAP{BaseLayer: layers.BaseLayer{Contents: data}}
	if len(data) < headerLen {
		df.SetTruncated()
		return errHeader
	}
	l.Type, l.Flags, l.Length = asap.MessageType(data[0]), data[1], binary.BigEndian.Uint16(data[2:])
	if int(l.Length) > len(data) {
		df.SetTruncated()
	}
	l.Message, err = asap.Decode(data)
	return err
}

// SerializeTo writes Message; the other fields do not matter.
func (l *ASAP) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	if l.Message == nil {
		return errNoMessage
	}
	m, err := asap.Marshal(l.Message)
	return prepend(b, m, err)
}

// ENRP is an ENRP message (RFC 5353 §2).
type ENRP struct {
	// BaseLayer holds the bytes of the message, and as payload the chunks behind the
	// DATA chunk that it came in.
	layers.BaseLayer
	Type    enrp.MessageType
	Flags   uint8
	Length  uint16       // as the header says
	Message enrp.Message // nil if it could not be decoded
}

var (
	_ gopacket.ApplicationLayer  = (*ENRP)(nil)
	_ gopacket.DecodingLayer     = (*ENRP)(nil)
	_ gopacket.SerializableLayer = (*ENRP)(nil)
)

// LayerType returns LayerTypeENRP.
func (l *ENRP) LayerType() gopacket.LayerType { return LayerTypeENRP }

// CanDecode returns LayerTypeENRP.
func (l *ENRP) CanDecode() gopacket.LayerClass { return LayerTypeENRP }

// NextLayerType says that nothing is inside of a message.
func (l *ENRP) NextLayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

// Payload returns the bytes of the message.
func (l *ENRP) Payload() []byte { return l.Contents }

// DecodeFromBytes decodes one message: a whole SCTP user message or UDP datagram. The
// error is one of enrp.Decode; the fields of the header are then set nonetheless.
func (l *ENRP) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) (err error) {
	*l = ENRP{BaseLayer: layers.BaseLayer{Contents: data}}
	if len(data) < headerLen {
		df.SetTruncated()
		return errHeader
	}
	l.Type, l.Flags, l.Length = enrp.MessageType(data[0]), data[1], binary.BigEndian.Uint16(data[2:])
	if int(l.Length) > len(data) {
		df.SetTruncated()
	}
	l.Message, err = enrp.Decode(data)
	return err
}

// SerializeTo writes Message; the other fields do not matter.
func (l *ENRP) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	if l.Message == nil {
		return errNoMessage
	}
	m, err := enrp.Marshal(l.Message)
	return prepend(b, m, err)
}

var errNoMessage = errors.New("packetlayers: there is no Message")

// prepend puts an encoded message in front of b.
func prepend(b gopacket.SerializeBuffer, m []byte, err error) error {
	if err != nil {
		return err
	}
	room, err := b.PrependBytes(len(m))
	copy(room, m)
	return err
}

func decodeASAP(data []byte, p gopacket.PacketBuilder) error { return add(new(ASAP), data, p) }

func decodeENRP(data []byte, p gopacket.PacketBuilder) error { return add(new(ENRP), data, p) }

// messageLayer is what both layers are.
type messageLayer interface {
	gopacket.ApplicationLayer
	gopacket.DecodingLayer
}

// add decodes a message into l and appends it to the packet, also if it is malformed.
func add(l messageLayer, data []byte, p gopacket.PacketBuilder) error {
	err := l.DecodeFromBytes(data, p)
	p.AddLayer(l)
	p.SetApplicationLayer(l)
	return err
}
