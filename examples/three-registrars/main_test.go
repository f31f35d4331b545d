package main

import (
	"bytes"
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The element has a home as long as there is a registrar, and another one each time.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, run(ctx, &out))
	ids := regexp.MustCompile(`registrar (0x0000000\d)`).FindAllStringSubmatch(out.String(), -1)
	require.Len(t, ids, 5, out.String())
	require.Equal(t, ids[0][1], ids[1][1], "the home went")
	require.Equal(t, ids[2][1], ids[3][1], "then the next one")
	require.NotEqual(t, ids[0][1], ids[2][1])
	require.NotEqual(t, ids[2][1], ids[4][1])
	require.NotEqual(t, ids[0][1], ids[4][1])
}
