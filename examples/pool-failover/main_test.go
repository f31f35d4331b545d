package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The count goes on over two servers that die.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, run(ctx, &out))
	var numbers []string
	servers := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if f := strings.Fields(line); len(f) == 2 {
			servers[f[0]] = true
			numbers = append(numbers, f[1])
		}
	}
	require.Equal(t, "[1 2 3 4 5 6 7 8 9]", fmt.Sprint(numbers))
	require.Len(t, servers, 3)
	require.Equal(t, 2, strings.Count(out.String(), "server failed"))
}
