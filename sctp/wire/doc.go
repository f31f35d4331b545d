// Package wire turns SCTP packets into chunks and chunks into bytes
// (RFC 9260 §3). It knows no state and no policy: what a chunk means, and when
// it may come, is for the protocol core to judge.
//
// Reading a packet:
//
//	pkt, err := wire.Parse(datagram) // header, CRC32c and every chunk boundary
//	if err != nil {
//		return // drop silently
//	}
//	var sack wire.Sack // reuse it: decoding does not allocate in steady state
//	for raw := range pkt.Chunks() {
//		if raw.Type() == wire.TypeSack {
//			err = sack.Decode(raw) // slices alias the datagram
//		}
//	}
//
// Writing one:
//
//	b := wire.Header{SrcPort: 5000, DstPort: 5001, VTag: tag}.AppendTo(nil)
//	b = (&wire.Shutdown{CumTSN: 7}).AppendTo(b)
//	wire.SetChecksum(b)
//
// Every chunk has the same four methods: Decode checks lengths strictly and
// never panics, whatever the input; AppendTo writes the complete chunk with its
// padding, never fails, and never allocates if the capacity allows; Len is the
// number of bytes AppendTo will write; String is for people.
//
// Decode accepts more than AppendTo writes: reserved bits and padding are
// ignored, parameters may come in any order. AppendTo writes one canonical form,
// so decoding and encoding again is stable from the first time on.
//
// Unknown chunks and parameters are data, not errors: see
// [ChunkType.SkipUnknown], [ChunkType.ReportUnknown] and the same methods of
// [ParamType].
//
// Covered: RFC 9260 §1.6, §3, §6.8, Appendix A; the I bit of RFC 7053; the chunks of
// RFC 4820 and of RFC 4960 Appendix A. The types of chunks and parameters of RFC
// 3758, 4895, 5061, 6525, 8260 and 9653 have names here, but no codec.
package wire
