package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/rserpool/rserpool/rserpool"
)

// ErrUnsupported says that there is no Selector for a policy type. Test for it
// with errors.Is.
var ErrUnsupported = errors.New("policy: unsupported policy type")

// Selector picks elements of one pool by one policy. It holds the elements that
// can be picked and the state of the policy, such as the place in the round.
//
// A Selector is not safe for concurrent use: selecting changes it too.
type Selector interface {
	// Type is the policy.
	Type() rserpool.PolicyType
	// Len is the number of items inserted, those included that the policy never
	// picks, for example because their weight is 0.
	Len() int
	// Insert adds it, which must not be in another Selector. Inserting an item
	// again does nothing.
	Insert(it *Item)
	// Update replaces the policy values of it and sets its Taken to 0: the element
	// registered again (RFC 5352 §3.1, RFC 5356 §5.2.2). p.Type does not matter. An
	// item keeps its place among equals. Updating an item that is not in the
	// Selector does nothing.
	Update(it *Item, p rserpool.Policy)
	// Remove takes it out; the item may then be inserted elsewhere. Removing an
	// item that is not in the Selector does nothing.
	Remove(it *Item)
	// AppendSelect appends up to n items to dst, none twice, in the order in which
	// the pool user should try them, and advances the policy's state. Items whose ID
	// skip reports are passed over as if they were not there; skip may be nil, and
	// it must not use the Selector. There are fewer than n items if the pool has
	// no more that may be picked. Nothing is allocated if dst has room.
	AppendSelect(dst []*Item, n int, skip func(rserpool.PEID) bool) []*Item
}

// Item is one element in a Selector.
type Item struct {
	// ID is what skip functions are asked about. It must not change while the item
	// is in a Selector.
	ID rserpool.PEID
	// Policy holds the values the selection goes by. While the item is in a
	// Selector, only Selector.Update may change it.
	Policy rserpool.Policy
	// Value is the caller's.
	Value any

	in    any // the selector's part that holds the item, nil if none
	taken uint32
	seq   uint64 // rises with each turn taken: the least is next among equals

	next, prev *Item    // of ring
	index      int      // of lottery, shuffle and sorted
	weight     uint64   // of lottery
	round      uint64   // of weightedRoundRobin: the next slot is in this round,
	slot       uint64   // is the one of this number,
	start      fraction // and begins here
}

// Taken is how often the item was selected since it was inserted or updated, the
// degradation counter of RFC 5356 §5.2.2. It stops at the largest number.
func (it *Item) Taken() uint32 { return it.taken }

// Options configure a Selector. The zero value is what a registrar needs.
type Options struct {
	// MaxIncrement is how many of the items one selection returns lose their turn.
	// The zero value means 1: the head of the list advances by one element (RFC 5356
	// §4.1.2), so that of five elements three at a time are 123, 234, 345, 451, 512.
	// Negative means all that are returned. It has no effect on random policies.
	MaxIncrement int
	// Rand returns uniformly distributed numbers for the random policies. nil means
	// a generator with a random seed. A Selector calls it only during AppendSelect;
	// it must be safe for concurrent use if several Selectors share it.
	Rand func() uint64
}

// turns is how many of n returned items lose their turn.
func (o Options) turns(n int) int {
	switch {
	case o.MaxIncrement < 0:
		return n
	case o.MaxIncrement == 0:
		return min(1, n)
	default:
		return min(o.MaxIncrement, n)
	}
}

// random returns the configured source of random numbers or the default one.
func (o Options) random() func() uint64 {
	if o.Rand != nil {
		return o.Rand
	}
	return rand.Uint64
}

// A Constructor makes the Selector of a policy type. New is one; others extend it
// by types of their own:
//
//	func construct(t rserpool.PolicyType, o policy.Options) (policy.Selector, error) {
//		if t == 0xb0000001 {
//			return policy.NewWeighted(t, weigh, o), nil
//		}
//		return policy.New(t, o)
//	}
type Constructor func(rserpool.PolicyType, Options) (Selector, error)

// constructors has an entry for each policy this package implements.
var constructors = map[rserpool.PolicyType]func(rserpool.PolicyType, Options) Selector{
	rserpool.RoundRobin:         newRing,
	rserpool.WeightedRoundRobin: newWeightedRoundRobin,
	rserpool.Random:             newShuffle,
	rserpool.WeightedRandom:     newWeightedRandom,
	rserpool.Priority:           newPriority,

	rserpool.LeastUsed:            newLeastUsed,
	rserpool.LeastUsedDegradation: newLeastUsedDegradation,
	rserpool.PriorityLeastUsed:    newPriorityLeastUsed,
	rserpool.RandomizedLeastUsed:  newRandomizedLeastUsed,

	rserpool.RsplibPriorityLeastUsedDegradation:           newPriorityLeastUsedDegradation,
	rserpool.RsplibRandomizedPriorityLeastUsed:            newRandomizedPriorityLeastUsed,
	rserpool.RsplibRandomizedLeastUsedDegradation:         newRandomizedLeastUsedDegradation,
	rserpool.RsplibRandomizedPriorityLeastUsedDegradation: newRandomizedPriorityLeastUsedDegradation,

	rserpool.RsplibWeightedRandomDPF:       newWeightedRandomDPF,
	rserpool.RsplibLeastUsedDPF:            newLeastUsedDPF,
	rserpool.RsplibLeastUsedDegradationDPF: newLeastUsedDegradationDPF,
}

// New returns an empty Selector for policy type t, or an error that wraps
// ErrUnsupported.
func New(t rserpool.PolicyType, o Options) (Selector, error) {
	c, ok := constructors[t]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnsupported, t)
	}
	return c(t, o), nil
}

// Supported reports whether New has a Selector for policy type t.
func Supported(t rserpool.PolicyType) bool {
	_, ok := constructors[t]
	return ok
}

// take counts one selection of it.
func (it *Item) take() {
	if it.taken++; it.taken == 0 {
		it.taken--
	}
}
