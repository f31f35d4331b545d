package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, nil))
	require.Equal(t, "messages\nkeep\ntheir\nlimits\n", out.String())
	require.Error(t, run(t.Context(), &out, []string{"what"}))
}
