package wire_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// fullPacket holds every sample, so that all decoders are reached.
func fullPacket(t testing.TB) []byte {
	var chunks [][]byte
	for _, s := range samples {
		chunks = append(chunks, unhex(t, s.hex))
	}
	return packet(chunks...)
}

// decoders are the structs that a receiver reuses for all packets.
type decoders struct {
	data     wire.Data
	init     wire.Init
	sack     wire.Sack
	hb       wire.Heartbeat
	abort    wire.Abort
	shut     wire.Shutdown
	shutAck  wire.ShutdownAck
	opErr    wire.OperationError
	echo     wire.CookieEcho
	ack      wire.CookieAck
	complete wire.ShutdownComplete
	ecne     wire.ECNE
	cwr      wire.CWR
	pad      wire.Pad
}

// decode is what a receiver's dispatch does, without meaning.
func (d *decoders) decode(c wire.RawChunk) error {
	switch c.Type() {
	case wire.TypeData:
		return d.data.Decode(c)
	case wire.TypeInit, wire.TypeInitAck:
		return d.init.Decode(c)
	case wire.TypeSack:
		return d.sack.Decode(c)
	case wire.TypeHeartbeat, wire.TypeHeartbeatAck:
		return d.hb.Decode(c)
	case wire.TypeAbort:
		return d.abort.Decode(c)
	case wire.TypeShutdown:
		return d.shut.Decode(c)
	case wire.TypeShutdownAck:
		return d.shutAck.Decode(c)
	case wire.TypeError:
		return d.opErr.Decode(c)
	case wire.TypeCookieEcho:
		return d.echo.Decode(c)
	case wire.TypeCookieAck:
		return d.ack.Decode(c)
	case wire.TypeShutdownComplete:
		return d.complete.Decode(c)
	case wire.TypeECNE:
		return d.ecne.Decode(c)
	case wire.TypeCWR:
		return d.cwr.Decode(c)
	case wire.TypePad:
		return d.pad.Decode(c)
	}
	return nil
}

func TestReceivingDoesNotAllocate(t *testing.T) {
	pkt := fullPacket(t)
	var d decoders
	causes, chunks := 0, 0
	allocs := testing.AllocsPerRun(100, func() {
		p, err := wire.Parse(pkt)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.First()
		for c := range p.Chunks() {
			chunks++
			if err := d.decode(c); err != nil {
				t.Fatal(err)
			}
		}
		for range wire.Causes(d.abort.Causes) {
			causes++
		}
	})
	require.Zero(t, allocs)
	require.Positive(t, causes)
	require.Positive(t, chunks)
}

func TestSendingDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	payload := make([]byte, 1000)
	chunks := make([]wire.Chunk, len(samples))
	for i, s := range samples {
		chunks[i] = s.chunk
	}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	types := []wire.ParamType{wire.ParamCookie}
	allocs := testing.AllocsPerRun(100, func() {
		b := header.AppendTo(buf)
		for _, c := range chunks {
			b = c.AppendTo(b)
		}
		b = wire.AppendDataHeader(b, &wire.Data{TSN: 1}, len(payload))
		b = append(b, payload...)
		wire.SetChecksum(b)

		b = wire.AppendAddrs(buf, addrs...)
		b = wire.AppendMissingParams(b, types...)
		b = wire.AppendStaleCookie(b, 1)
		b = wire.AppendCause(b, wire.CauseProtocolViolation, payload)
		if cap(b) != cap(buf) {
			t.Fatal("the buffer was too small")
		}
	})
	require.Zero(t, allocs)
}
