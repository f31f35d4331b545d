package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every request is answered, though two of three servers die.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, run(ctx, &out))
	require.Equal(t, 9, strings.Count(out.String(), "request "))
	require.Equal(t, 2, strings.Count(out.String(), " is dead\n"))
	last := ""
	dead := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if who, ok := strings.CutSuffix(line, " is dead"); ok {
			dead[who] = true
			continue
		}
		_, last, _ = strings.Cut(line, ": ")
		require.False(t, dead[last], line)
	}
}
