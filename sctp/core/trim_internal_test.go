package core

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Memory is kept for the next message while there is a flow; for an exchange now and then
// it is given back soon.
func TestPoolsAreEmptiedSoonerOfWhoIsIdle(t *testing.T) {
	a := newAssociation((&Config{Rand: rand.Reader}).Shared(), nil, identity{})
	now := time.Unix(1e9, 0)
	delay := func() time.Duration { return a.timers.next().Sub(now) }
	fire := func() {
		now = a.timers.next()
		require.True(t, a.timers.expired(timerTrim, now))
		a.trim(now)
	}
	a.touch(now)
	require.Equal(t, trimAfter, delay())
	fire()
	require.False(t, a.timers.running(timerTrim))
	for range 3 { // an exchange every few seconds
		now = now.Add(3 * time.Second)
		a.touch(now)
		a.touch(now.Add(time.Millisecond))
		require.Equal(t, trimSoon, delay())
		fire()
		fire() // a millisecond later
		require.False(t, a.timers.running(timerTrim))
	}
	a.touch(now)
	a.touch(now.Add(9 * trimSoon / 10)) // a flow begins
	fire()
	require.Greater(t, delay(), trimSoon)
	fire()
	require.False(t, a.timers.running(timerTrim))
}
