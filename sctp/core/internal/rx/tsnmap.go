// Package rx holds what an association receives: which TSNs arrived, fragments
// that wait for the rest of their message, messages that wait for their turn in
// the stream or for the reader, and how much room is left.
package rx

import (
	"math/bits"

	"github.com/rserpool/rserpool/sctp/wire"
)

// maxSpan is how far above the cumulative TSN a TSN may lie: as far as a Gap Ack
// Block can say (RFC 9260 §3.3.4).
const maxSpan = 65535

// maxDups bounds the duplicate TSNs remembered for the next SACK.
const maxDups = 32

// TSNMap is the set of TSNs received (RFC 9260 §6.2, §6.7).
type TSNMap struct {
	cum  wire.TSN
	high wire.TSN // highest received, cum if there is no gap
	bits []uint64 // ring by TSN for (cum, high]; a power of two long
	Dups []wire.TSN
}

// Arrival says what a TSN is to the map.
type Arrival uint8

// Kinds of arrival.
const (
	New       Arrival = iota // not seen before, inside the window
	Duplicate                // seen before
	TooFar                   // outside of the window: to be dropped
)

// Init sets the TSN before the first one expected.
func (m *TSNMap) Init(cum wire.TSN) { *m = TSNMap{cum: cum, high: cum} }

// Cum is the highest TSN below which none is missing.
func (m *TSNMap) Cum() wire.TSN { return m.cum }

// High is the highest TSN received.
func (m *TSNMap) High() wire.TSN { return m.high }

// HasGaps says whether a TSN below the highest is missing.
func (m *TSNMap) HasGaps() bool { return m.cum != m.high }

// Check classifies a TSN without recording it.
func (m *TSNMap) Check(t wire.TSN) Arrival {
	d := t.Sub(m.cum)
	switch {
	case d <= 0:
		if -int64(d) > 1<<20 { // far behind: garbage rather than a retransmission
			return TooFar
		}
		return Duplicate
	case d > maxSpan:
		return TooFar
	case m.has(t):
		return Duplicate
	}
	return New
}

// Received says whether t has been recorded.
func (m *TSNMap) Received(t wire.TSN) bool { return t.LessEq(m.cum) || m.has(t) }

func (m *TSNMap) has(t wire.TSN) bool {
	if m.high.Less(t) || len(m.bits) == 0 {
		return false
	}
	w, b := m.at(t)
	return m.bits[w]>>b&1 != 0
}

func (m *TSNMap) at(t wire.TSN) (word int, bit uint) {
	i := uint32(t) & uint32(len(m.bits)*64-1)
	return int(i >> 6), uint(i & 63)
}

// Duplicate remembers a duplicate TSN for the next SACK; beyond a bound it is
// only counted by the caller.
func (m *TSNMap) Duplicate(t wire.TSN) {
	if len(m.Dups) < maxDups {
		m.Dups = append(m.Dups, t)
	}
}

// Add records a TSN for which Check said New.
func (m *TSNMap) Add(t wire.TSN) {
	if t == m.cum.Add(1) {
		m.cum = t
		if m.high.Less(t) {
			m.high = t
			return
		}
		m.advance()
		return
	}
	m.room(int(t.Sub(m.cum)))
	w, b := m.at(t)
	m.bits[w] |= 1 << b
	if m.high.Less(t) {
		m.high = t
	}
}

// advance moves the cumulative TSN over the run of received TSNs above it and
// clears their bits.
func (m *TSNMap) advance() {
	for m.cum != m.high {
		w, b := m.at(m.cum.Add(1))
		if m.bits[w]>>b&1 == 0 {
			return
		}
		m.bits[w] &^= 1 << b
		m.cum = m.cum.Add(1)
	}
}

// room makes the ring hold at least span TSNs above the cumulative one.
func (m *TSNMap) room(span int) {
	if span <= len(m.bits)*64 {
		return
	}
	words := max(4, 1<<bits.Len(uint((span-1)>>6)))
	old := *m
	m.bits = make([]uint64, words)
	for t := old.cum; t != old.high; t = t.Add(1) {
		if old.has(t.Add(1)) {
			w, b := m.at(t.Add(1))
			m.bits[w] |= 1 << b
		}
	}
}

// Gaps appends the Gap Ack Blocks, at most limit of them, to dst.
func (m *TSNMap) Gaps(dst []wire.GapBlock, limit int) []wire.GapBlock {
	span := int(m.high.Sub(m.cum))
	in := false
	for i := 1; i <= span; i++ {
		if !m.has(m.cum.Add(uint32(i))) {
			in = false
			continue
		}
		if in {
			dst[len(dst)-1].End = uint16(i)
			continue
		}
		if limit--; limit < 0 {
			break
		}
		in = true
		dst = append(dst, wire.GapBlock{Start: uint16(i), End: uint16(i)})
	}
	return dst
}
