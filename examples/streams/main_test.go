package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	for _, line := range []string{"big: 8388608 bytes on stream 2", "medium: 262144 bytes on stream 4", "small: 1024 bytes on stream 6"} {
		require.Contains(t, out.String(), line)
	}
}
