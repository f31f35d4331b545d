package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, run(ctx, &out), out.String())
	require.Contains(t, out.String(), "127.0.0.1 is inactive")
	require.Contains(t, out.String(), "127.0.0.1 is active, the primary path")
	require.Contains(t, out.String(), "127.0.0.2 is active, the primary path")
	require.Contains(t, out.String(), "every message arrived: true")
}
