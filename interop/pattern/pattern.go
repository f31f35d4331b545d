// Package pattern defines the messages of the checked interop transfer: what
// message index of stream sid holds follows from a seed alone, so both ends of
// an association can make and check a long transfer without sharing anything
// else. interop/xfer.h is the same pattern in C; README.md of that folder
// defines it in words.
package pattern

import (
	"encoding/binary"
	"fmt"
)

const (
	// MinSize and MaxSize bound a message whose size is not fixed, in bytes.
	MinSize = 8
	MaxSize = 65536

	gamma = 0x9e3779b97f4a7c15
)

// A Message is one message of the transfer; its content follows from Seed,
// Stream and Index.
type Message struct {
	Seed   uint64
	Stream uint16 // stream identifier
	Index  uint32 // 0 for the stream's first message
	Fixed  int    // size in bytes, at least MinSize; 0: what the pattern says
}

// At returns message n (from 0) of a whole transfer over streams streams: they
// take turns.
func At(seed uint64, streams int, n int) Message {
	return Message{Seed: seed, Stream: uint16(n % streams), Index: uint32(n / streams)}
}

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func (m Message) key() uint64 {
	return mix(m.Seed + gamma*(1+uint64(m.Stream)<<32+uint64(m.Index)))
}

// Size is the number of bytes of the message. Unless it is fixed, 90 % are below
// 201 bytes, 9 % below one packet, the others need 2 to about 50 fragments.
func (m Message) Size() int {
	if m.Fixed > 0 {
		return m.Fixed
	}
	k := m.key()
	switch r, q := k%1000, k>>32; {
	case r < 900:
		return int(8 + q%193)
	case r < 990:
		return int(201 + q%1200)
	case r < 999:
		return int(1401 + q%14600)
	default:
		return int(16001 + q%49536)
	}
}

// PPID is the message's payload protocol identifier; its first byte is 0x7e, so
// that no packet analyser takes the content for a protocol it knows.
func (m Message) PPID() uint32 { return 0x7e000000 | uint32(m.key()>>8)&0xffffff }

// AppendTo appends the message's content to b.
func (m Message) AppendTo(b []byte) []byte {
	k, n := m.key(), m.Size()
	b = binary.BigEndian.AppendUint16(b, m.Stream)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, m.Index)
	left := n - MinSize
	for w := uint64(1); left > 0; w++ {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], mix(k+gamma*w))
		b = append(b, word[:min(8, left)]...)
		left -= 8
	}
	return b
}

// String names the message in an error.
func (m Message) String() string {
	return fmt.Sprintf("stream %d index %d", m.Stream, m.Index)
}
