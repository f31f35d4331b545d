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

// maxBehind is how far below the cumulative TSN a TSN may lie and still count as a
// retransmission. What is further away is garbage.
const maxBehind = 1 << 20

// maxDups bounds the duplicate TSNs remembered for the next SACK.
const maxDups = 32

// TSNMap is the set of TSNs received (RFC 9260 §6.2, §6.7).
type TSNMap struct {
	cum  wire.TSN
	high wire.TSN // highest received, cum if there is no gap
	bits []uint64 // ring by TSN for (cum, high]; a power of two long, zero elsewhere
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
	d := int64(t.Sub(m.cum))
	switch {
	case d < -maxBehind, d > maxSpan:
		return TooFar
	case d <= 0, m.has(t):
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

// Gaps appends the Gap Ack Blocks, from the lowest TSN on and at most limit of
// them, to dst (RFC 9260 §6.7). It looks at 64 TSNs at a time: a peer that leaves
// one wide gap makes every packet call it.
func (m *TSNMap) Gaps(dst []wire.GapBlock, limit int) []wire.GapBlock {
	span := int(m.high.Sub(m.cum))
	for at := 1; at <= span && limit > 0; limit-- {
		start := m.next(at, span, true)
		if start > span {
			break
		}
		at = m.next(start, span, false)
		dst = append(dst, wire.GapBlock{Start: uint16(start), End: uint16(at - 1)})
	}
	return dst
}

// next is the lowest offset from the cumulative TSN, not below at, of a TSN that
// was received or, if want is false, that was not; span+1 if there is none.
func (m *TSNMap) next(at, span int, want bool) int {
	for at <= span {
		w, b := m.at(m.cum.Add(uint32(at)))
		word := m.bits[w]
		if !want {
			word = ^word
		}
		if rest := word >> b; rest != 0 {
			return min(at+bits.TrailingZeros64(rest), span+1)
		}
		at += 64 - int(b)
	}
	return span + 1
}

// Trim gives the ring's memory back to the garbage collector if there is no gap.
func (m *TSNMap) Trim() {
	if !m.HasGaps() {
		m.bits, m.Dups = nil, nil
	}
}
