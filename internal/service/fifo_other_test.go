//go:build !unix

package service_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// fifo makes a directory: there are no named pipes.
func fifo(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Mkdir(path, 0o755))
}
