package policy

import (
	"cmp"
	"math/bits"
)

// fraction is a part of a round in units of 2⁻⁶⁴, rounded down. Equal fractions
// are equal after rounding too, whatever their denominators.
type fraction uint64

// slotStart is where slot k of w begins; k is less than w.
func slotStart(k, w uint64) fraction {
	q, _ := bits.Div64(k, 0, w)
	return fraction(q)
}

// slotAt is the number of the slot, of w in a round, that now is in.
func slotAt(now fraction, w uint64) uint64 {
	k, _ := bits.Mul64(uint64(now), w)
	// now is rounded down and may stand for exactly where the next slot begins.
	if k+1 < w && slotStart(k+1, w) <= now {
		k++
	}
	return k
}

// slotPlace orders the elements of a class by where their next slot begins, then
// ends (light is the weight with all bits inverted), then by whose last turn is
// longest ago.
type slotPlace struct {
	round uint64
	start fraction
	light uint64
	seq   uint64
}

func compareSlots(a, b slotPlace) int {
	switch {
	case a.round != b.round:
		return cmp.Compare(a.round, b.round)
	case a.start != b.start:
		return cmp.Compare(a.start, b.start)
	case a.light != b.light:
		return cmp.Compare(a.light, b.light)
	default:
		return cmp.Compare(a.seq, b.seq)
	}
}

// nextSlot moves it to its next slot.
func (it *Item) nextSlot() {
	if it.slot++; it.slot == it.weight {
		it.slot = 0
		it.round++
	}
	it.start = slotStart(it.slot, it.weight)
}

// ends is where the slot of it ends.
func (it *Item) ends() (round uint64, f fraction) {
	if it.slot+1 == it.weight {
		return it.round + 1, 0
	}
	return it.round, slotStart(it.slot+1, it.weight)
}
