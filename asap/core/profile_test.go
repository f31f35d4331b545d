package core_test

import (
	"bytes"
	"testing"
	"time"

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

// RFC 5352 §7.1, §7.3: the values of the text.
func TestProfileRFCValues(t *testing.T) {
	p := core.ProfileRFC
	require.Equal(t, 15*time.Second, p.Request)
	require.Equal(t, 30*time.Second, p.Registration)
	require.Equal(t, 30*time.Second, p.Deregistration)
	require.Equal(t, 10*time.Minute, p.Reregistration)
	require.Equal(t, 20*time.Second, p.LifeMargin)
	require.Equal(t, 10*time.Second, p.Hunt)
	require.Equal(t, 5*time.Second, p.Outdate)
	require.Equal(t, time.Minute, p.RetransMax)
	require.Equal(t, 2, p.MaxRegAttempts)
	require.Equal(t, 2, p.MaxRequestRetransmits)
	require.Equal(t, time.Second, p.LifeUnit)
}

// Every profile renews its registration well before the life ends, and its SACK
// delay cannot cause a retransmission.
func TestProfilesAreConsistent(t *testing.T) {
	for _, p := range core.Profiles() {
		require.Less(t, p.Reregistration-p.LifeMargin, p.Life+10*time.Minute, p.Name)
		require.GreaterOrEqual(t, p.Transport.RTOMin, 2*p.Transport.SackDelay, p.Name)
		require.LessOrEqual(t, p.Transport.RTOMin, p.Transport.RTOInitial, p.Name)
		require.LessOrEqual(t, p.Transport.RTOInitial, p.Transport.RTOMax, p.Name)
		require.LessOrEqual(t, p.Transport.PathMaxRetrans, p.Transport.AssociationMaxRetrans, p.Name)
	}
}

// The fast profile's promise: a silent peer is noticed within a second.
func TestProfileFastNoticesWithinASecond(t *testing.T) {
	p := core.ProfileFast.Transport
	// RFC 9260 §8.3: a heartbeat after HB.interval and RTO, jittered by half the
	// RTO; then AssociationMaxRetrans+1 timeouts that double.
	worst := p.HeartbeatInterval + p.RTOMin*3/2
	rto := p.RTOMin
	for range p.AssociationMaxRetrans + 1 {
		worst += rto
		rto = min(2*rto, p.RTOMax)
	}
	require.Less(t, worst, 700*time.Millisecond)
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
