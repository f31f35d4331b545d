package capture

import (
	"encoding/binary"
	"time"
)

// Blocks of a pcapng file (draft-ietf-opsawg-pcapng). This file writes them in little
// endian, with times in nanoseconds.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockStats     = 5
	blockPacket    = 6

	linkTypeRaw = 101 // packets begin with the IP header

	optEnd           = 0
	optUserAppl      = 4 // of a section: what wrote it
	optTimeRes       = 9 // of an interface: units of time
	optPacketFlags   = 2 // of a packet: its direction
	optPacketDropped = 4 // of a packet: packets lost before it
	optStatsDropped  = 5 // of statistics: packets that the capture lost
	timeNano         = 9 // 10^-9 s
	flagIn           = 1 // of optPacketFlags
	flagOut          = 2
)

var le = binary.LittleEndian

// begin appends the head of a block; end fills in its length.
func begin(b []byte, block uint32) []byte {
	return le.AppendUint32(le.AppendUint32(b, block), 0)
}

// end closes the block that began at start.
func end(b []byte, start int) []byte {
	n := uint32(len(b) - start + 4)
	le.PutUint32(b[start+4:], n)
	return le.AppendUint32(b, n)
}

// option appends an option of a block.
func option(b []byte, code uint16, value ...byte) []byte {
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return pad(b, len(value))
}

// pad fills n bytes up to a multiple of four.
func pad(b []byte, n int) []byte { return append(b, make([]byte, -n&3)...) }

// appendHeader appends the blocks that a file begins with. snap is the length that
// packets are cut to, 0 for none.
func appendHeader(b []byte, snap int) []byte {
	start := len(b)
	b = begin(b, blockSection)
	b = le.AppendUint32(b, 0x1a2b3c4d) // byte order
	b = le.AppendUint32(b, 1)          // version 1.0
	b = le.AppendUint64(b, 1<<64-1)    // length of the section: not known
	b = option(b, optUserAppl, []byte("github.com/rserpool/rserpool/sctp")...)
	b = end(option(b, optEnd), start)

	start = len(b)
	b = begin(b, blockInterface)
	b = le.AppendUint32(b, linkTypeRaw) // and two reserved bytes
	b = le.AppendUint32(b, uint32(snap))
	b = option(b, optTimeRes, timeNano)
	return end(option(b, optEnd), start)
}

// appendTime appends a time as its upper and its lower half.
func appendTime(b []byte, t time.Time) []byte {
	ns := uint64(t.UnixNano())
	return le.AppendUint32(le.AppendUint32(b, uint32(ns>>32)), uint32(ns))
}

// appendPacketHead appends a packet block up to its data.
func appendPacketHead(b []byte, t time.Time) []byte {
	b = begin(b, blockPacket)
	b = le.AppendUint32(b, 0) // the only interface
	b = appendTime(b, t)
	return le.AppendUint64(b, 0) // captured and original length: see endPacket
}

// packetHeadLen is what appendPacketHead appends.
const packetHeadLen = 28

// endPacket completes the packet block that began at start and whose data, the rest of
// b, was length bytes long before it was cut.
func endPacket(b []byte, start, length int, out bool, lost uint64) []byte {
	captured := len(b) - start - packetHeadLen
	le.PutUint32(b[start+20:], uint32(captured))
	le.PutUint32(b[start+24:], uint32(length))
	b = pad(b, captured)
	flags := byte(flagIn)
	if out {
		flags = flagOut
	}
	b = option(b, optPacketFlags, flags, 0, 0, 0)
	if lost > 0 {
		var n [8]byte
		le.PutUint64(n[:], lost)
		b = option(b, optPacketDropped, n[:]...)
	}
	return end(option(b, optEnd), start)
}

// appendStats appends the block that a file ends with: how many packets are missing.
func appendStats(b []byte, t time.Time, dropped uint64) []byte {
	start := len(b)
	b = begin(b, blockStats)
	b = le.AppendUint32(b, 0)
	b = appendTime(b, t)
	var n [8]byte
	le.PutUint64(n[:], dropped)
	b = option(b, optStatsDropped, n[:]...)
	return end(option(b, optEnd), start)
}
