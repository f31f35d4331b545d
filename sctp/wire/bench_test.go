package wire_test

import (
	"testing"

	"github.com/rserpool/rserpool/sctp/wire"
)

// dataPacket is a full Ethernet frame's worth of SCTP: one DATA chunk.
func dataPacket() []byte {
	return packet((&wire.Data{TSN: 1, Begin: true, End: true, Payload: make([]byte, 1424)}).AppendTo(nil))
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{64, 1452, 65507} {
		b.Run(sizeName(n), func(b *testing.B) {
			pkt := make([]byte, n)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				wire.SetChecksum(pkt)
			}
		})
	}
}

func sizeName(n int) string {
	switch {
	case n < 100:
		return "small"
	case n < 2000:
		return "mtu"
	default:
		return "max"
	}
}

func BenchmarkReceiveData(b *testing.B) {
	pkt := dataPacket()
	var d wire.Data
	b.ReportAllocs()
	b.SetBytes(int64(len(pkt)))
	for b.Loop() {
		p, err := wire.Parse(pkt)
		if err != nil {
			b.Fatal(err)
		}
		for c := range p.Chunks() {
			if err := d.Decode(c); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// The same without the CRC32c: what the codec itself costs.
func BenchmarkReceiveDataUnchecked(b *testing.B) {
	pkt := dataPacket()
	var d wire.Data
	b.ReportAllocs()
	for b.Loop() {
		p, err := wire.ParseUnchecked(pkt)
		if err != nil {
			b.Fatal(err)
		}
		for c := range p.Chunks() {
			if err := d.Decode(c); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSendData(b *testing.B) {
	d := wire.Data{TSN: 1, Begin: true, End: true}
	payload := make([]byte, 1424)
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	b.SetBytes(int64(wire.HeaderLen + wire.DataHeaderLen + len(payload)))
	for b.Loop() {
		out := header.AppendTo(buf)
		out = append(wire.AppendDataHeader(out, &d, len(payload)), payload...)
		wire.SetChecksum(out)
	}
}

func BenchmarkSack(b *testing.B) {
	s := wire.Sack{CumTSN: 1, ARwnd: 65536, Gaps: make([]wire.GapBlock, 50), Dups: make([]wire.TSN, 5)}
	pkt := packet(s.AppendTo(nil))
	p, err := wire.Parse(pkt)
	if err != nil {
		b.Fatal(err)
	}
	raw := p.First()
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Decode(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		buf := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			s.AppendTo(buf)
		}
	})
}

func BenchmarkInit(b *testing.B) {
	var i wire.Init
	raw := rawChunk(b, unhex(b, samples[5].hex))
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := i.Decode(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		buf := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			i.AppendTo(buf)
		}
	})
}

// Twenty small DATA chunks in a packet.
func BenchmarkReceiveBundle(b *testing.B) {
	var chunks []byte
	for n := range 20 {
		chunks = (&wire.Data{TSN: wire.TSN(n), Begin: true, End: true, Payload: make([]byte, 50)}).AppendTo(chunks)
	}
	pkt := packet(chunks)
	var d wire.Data
	b.ReportAllocs()
	b.SetBytes(int64(len(pkt)))
	for b.Loop() {
		p, err := wire.Parse(pkt)
		if err != nil {
			b.Fatal(err)
		}
		for c := range p.Chunks() {
			if err := d.Decode(c); err != nil {
				b.Fatal(err)
			}
		}
	}
}
