//go:build !unix

package bench

import "time"

var start = time.Now()

// processorTime is the time that has gone by, where that of processors is not to be had.
func processorTime() time.Duration { return time.Since(start) }
