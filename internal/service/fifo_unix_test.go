//go:build unix

package service_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// fifo makes a named pipe, on which a careless open would hang.
func fifo(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(path, 0o644))
}
