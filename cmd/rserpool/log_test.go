package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// Whoever makes a registrar warn fast does not fill its disk; other lines are still
// written, and with debug all are.
func TestLogIsBounded(t *testing.T) {
	for level, want := range map[string][2]int{"info": {100, 200}, "debug": {5000, 5000}} {
		var b bytes.Buffer
		log, err := newLogger(level, "text", &b)
		require.NoError(t, err)
		log = log.With(zap.String("a", "b"))
		for range 5000 {
			log.Warn("refused")
		}
		log.Info("something else")
		n := strings.Count(b.String(), "refused")
		require.GreaterOrEqual(t, n, want[0], level)
		require.LessOrEqual(t, n, want[1], level)
		require.Contains(t, b.String(), "something else")
	}
}
