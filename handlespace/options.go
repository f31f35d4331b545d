package handlespace

import (
	"math"
	"math/rand/v2"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// Defaults of Options.
const (
	DefaultMaxPools        = 1 << 17
	DefaultMaxElements     = 1 << 18
	DefaultMaxElementBytes = 4096
)

// Options configure a Space. The zero value is ready to use. In each of the
// limits, 0 means the default and a negative number means no limit.
type Options struct {
	// MaxPools is the largest number of pools. Default DefaultMaxPools.
	MaxPools int
	// MaxElements is the largest number of elements of all pools. Default
	// DefaultMaxElements.
	MaxElements int
	// MaxElementsPerPool is the largest number of elements of one pool. Default: no
	// limit but MaxElements.
	MaxElementsPerPool int
	// MaxElementBytes is the largest size in bytes of an element's Pool Element
	// parameter, which bounds its addresses. Default DefaultMaxElementBytes.
	MaxElementBytes int
	// MaxPoolHandle is the longest pool handle in bytes, at most
	// rserpool.MaxPoolHandle, which is the default. Registrars of rsplib abort
	// when they get one beyond rserpool.MaxPoolHandleRsplib.
	MaxPoolHandle int
	// Portable says which elements registrars of rsplib take, given the size of their
	// Pool Element parameter in bytes: the others do not count for
	// Space.ChecksumPortable. nil means all of them. It must depend on its arguments
	// only and not use the Space.
	Portable func(h rserpool.PoolHandle, pe *rserpool.PoolElement, bytes int) bool
	// Policy is passed on to the pools' selectors, except that each pool gets a
	// random generator of its own whose seed comes from Policy.Rand. The selections
	// are a function of the calls if Policy.Rand is one.
	Policy policy.Options
	// NewSelector makes the selector of a new pool. nil means policy.New. A
	// registration that it returns an error for is refused with
	// ErrPolicyUnsupported.
	NewSelector policy.Constructor
}

// withDefaults returns o with defaults filled in and "no limit" as the largest
// number.
func (o Options) withDefaults() Options {
	limit := func(n *int, def int) {
		switch {
		case *n == 0:
			*n = def
		case *n < 0:
			*n = math.MaxInt
		}
	}
	limit(&o.MaxPools, DefaultMaxPools)
	limit(&o.MaxElements, DefaultMaxElements)
	limit(&o.MaxElementsPerPool, math.MaxInt)
	limit(&o.MaxElementBytes, DefaultMaxElementBytes)
	limit(&o.MaxPoolHandle, rserpool.MaxPoolHandle)
	o.MaxPoolHandle = min(o.MaxPoolHandle, rserpool.MaxPoolHandle)
	if o.Policy.Rand == nil {
		o.Policy.Rand = rand.Uint64
	}
	if o.Portable == nil {
		o.Portable = func(rserpool.PoolHandle, *rserpool.PoolElement, int) bool { return true }
	}
	if o.NewSelector == nil {
		o.NewSelector = policy.New
	}
	return o
}

// selectorOptions are the options of a new pool's selector. The generator of its
// own lets pools select at the same time without sharing a lock or an order.
func (o Options) selectorOptions() policy.Options {
	p := o.Policy
	p.Rand = rand.NewPCG(o.Policy.Rand(), o.Policy.Rand()).Uint64
	return p
}
