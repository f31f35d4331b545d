package core

import (
	"math/rand/v2"
	"time"
)

// Backoff computes pauses between attempts that double from Min to Max, with
// jitter, so that many clients that lost the same server do not come back in
// step. The zero value pauses for no time at all.
type Backoff struct {
	// Min and Max bound the pause before jitter.
	Min, Max time.Duration
}

// Pause returns the pause after the given number of failures in a row, 1 or
// more: between half and all of Min·2^(failures-1), at most Max.
func (b Backoff) Pause(failures int, rnd *rand.Rand) time.Duration {
	d := b.Min
	for i := 1; i < failures && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, max(b.Min, b.Max))
	if d <= 1 {
		return d
	}
	return d/2 + time.Duration(rnd.Int64N(int64(d-d/2)+1))
}
