package fuzz

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/poolelement/cookie"
)

// FuzzSealedCookie: nothing but what was sealed is opened (Z16), whatever comes is an
// ErrInvalid, and what is sealed comes back.
func FuzzSealedCookie(f *testing.F) {
	k, err := cookie.NewKey(make([]byte, 32))
	require.NoError(f, err)
	s, err := cookie.NewSealer(&cookie.Config{Pool: fuzzPool, Keys: []cookie.Key{k}})
	require.NoError(f, err)
	good, err := s.Seal([]byte("state"))
	require.NoError(f, err)
	for _, seed := range [][]byte{nil, good, good[:len(good)-1], good[:cookie.Overhead], []byte("RSC1"), append(good, good...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if state, err := s.Open(in); err == nil {
			require.Equal(t, "state", string(state)) // of another worker's good one
		} else {
			require.ErrorIs(t, err, cookie.ErrInvalid)
		}
		c, err := s.Seal(in)
		if err != nil {
			require.Greater(t, len(in), cookie.DefaultMaxState)
			return
		}
		state, err := s.Open(c)
		require.True(t, err == nil && string(state) == string(in), errors.Unwrap(err))
	})
}
