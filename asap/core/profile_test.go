package core_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
)

func TestParseProfile(t *testing.T) {
	for _, p := range core.Profiles() {
		got, err := core.ParseProfile(p.Name)
		require.NoError(t, err)
		require.Equal(t, p, got)
		_, err = core.New(&core.Config{Profile: p})
		require.NoError(t, err)
	}
	_, err := core.ParseProfile("slow")
	require.ErrorContains(t, err, "slow")
}

// A profile with a timer of no time would spin.
func TestProfileInvalid(t *testing.T) {
	p := core.ProfileFast
	p.RetryMin = 0
	_, err := core.New(&core.Config{Profile: p})
	require.Error(t, err)
}

func TestNewNeedsRandomness(t *testing.T) {
	_, err := core.New(&core.Config{Rand: bytes.NewReader([]byte{1, 2, 3})})
	require.Error(t, err)
}
