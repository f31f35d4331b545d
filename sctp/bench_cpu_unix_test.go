//go:build unix

package sctp_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// cpu reports the processor time of both ends, which on a busy machine tells more
// than the time that passed.
func cpu(b *testing.B) {
	b.Helper()
	used := func() (n int64) {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	b.Cleanup(func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") })
}
