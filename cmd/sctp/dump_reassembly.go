package main

import (
	"github.com/rserpool/rserpool/sctp/wire"
)

// reassembly puts messages together that came in several DATA chunks (RFC 9260 §6.9).
// It remembers what was captured last, no more than a bounded number of bytes.
type reassembly struct {
	limit int
	parts map[partKey]*part
	order []turn // oldest first, with those that have left parts
	turns uint64
	bytes int
}

// turn is when a fragment came: one with the same key may have come before and be gone.
type turn struct {
	key partKey
	nr  uint64
}

// partKey names a fragment: one direction of an association, on whatever path, and its
// TSN.
type partKey struct {
	src, dst uint16
	tag      wire.VTag
	tsn      wire.TSN
}

// part is a fragment.
type part struct {
	nr         uint64
	begin, end bool
	stream     wire.StreamID
	ppid       wire.PPID
	data       []byte
}

const (
	// maxParts bounds the bytes of fragments that wait for others.
	maxParts = 8 << 20
	// maxFragments bounds the fragments of a message: 64 KiB (RFC 5354 §2) in pieces of
	// 64 bytes.
	maxFragments = 1024
	// partOverhead is what a fragment costs besides its data.
	partOverhead = 128
)

func newReassembly(limit int) reassembly {
	return reassembly{limit: limit, parts: make(map[partKey]*part)}
}

// add takes a fragment and returns the message that it completes, in how many chunks;
// nil if it completes none.
func (r *reassembly) add(h *wire.Header, d *wire.Data) ([]byte, int) {
	key := partKey{h.SrcPort, h.DstPort, h.VTag, d.TSN}
	if r.parts[key] == nil { // else it was sent again
		r.put(key, &part{begin: d.Begin, end: d.End, stream: d.Stream, ppid: d.PPID, data: append([]byte(nil), d.Payload...)})
	}
	first, ok := r.edge(key, false)
	if !ok {
		return nil, 0
	}
	last, ok := r.edge(key, true)
	if !ok {
		return nil, 0
	}
	var message []byte
	n := 0
	for k := first; ; k.tsn = k.tsn.Add(1) {
		p := r.parts[k]
		message = append(message, p.data...)
		r.bytes -= len(p.data) + partOverhead
		delete(r.parts, k)
		n++
		if k == last {
			return message, n
		}
	}
}

// edge walks from a fragment to the end of its message, or to the begin; it fails if one
// is missing on the way or belongs to another message.
func (r *reassembly) edge(k partKey, forward bool) (partKey, bool) {
	p, step := r.parts[k], ^uint32(0)
	if forward {
		step = 1
	}
	for range maxFragments {
		if forward && p.end || !forward && p.begin {
			return k, true
		}
		k.tsn = k.tsn.Add(step)
		next := r.parts[k]
		if next == nil || next.stream != p.stream || next.ppid != p.ppid || forward && next.begin || !forward && next.end {
			return k, false
		}
		p = next
	}
	return k, false
}

// put remembers a fragment and forgets the oldest others if there are too many.
func (r *reassembly) put(key partKey, p *part) {
	r.turns++
	p.nr = r.turns
	r.parts[key] = p
	r.order = append(r.order, turn{key, p.nr})
	r.bytes += len(p.data) + partOverhead
	for len(r.order) > 1 && (r.bytes > r.limit || len(r.order) > 2*r.limit/partOverhead) {
		oldest := r.order[0]
		r.order = r.order[1:]
		if p := r.parts[oldest.key]; p != nil && p.nr == oldest.nr {
			r.bytes -= len(p.data) + partOverhead
			delete(r.parts, oldest.key)
		}
	}
}
