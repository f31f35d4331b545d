package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

func TestHandshakeTakesTwoRoundTrips(t *testing.T) { // RFC 9260 §5.1
	w, a, b := two(t, 1, nil)
	start := w.now
	a.dial(b)
	w.until(time.Second, "established", func() bool { return a.only().State() == core.Established })
	require.Equal(t, 20*time.Millisecond, w.now.Sub(start))
	require.True(t, a.saw(core.EventEstablished))
	require.True(t, b.saw(core.EventEstablished))
	require.Equal(t, a.only().LocalTag(), b.only().PeerTag())
	require.Equal(t, b.only().LocalTag(), a.only().PeerTag())
	require.Equal(t, 64, a.only().OutStreams())
}

func TestTransferBothWays(t *testing.T) {
	for _, segs := range []int{1, 44} {
		t.Run(fmt.Sprint(segs, " segments"), func(t *testing.T) {
			w, a, b := connected(t, 2, nil)
			w.segs = segs
			w.transfer(time.Minute, newFlow(a, b, 10, 5, 300), newFlow(b, a, 11, 3, 300))
			require.Zero(t, a.only().Stats().Retransmitted)
			require.Zero(t, b.only().Stats().Retransmitted)
		})
	}
}

func TestGracefulShutdownDeliversEverything(t *testing.T) { // RFC 9260 §9.2
	w, a, b := connected(t, 3, nil)
	f := newFlow(a, b, 10, 2, 200)
	f.pump()
	for f.next < 400 {
		w.step(w.now.Add(time.Second))
		f.pump()
	}
	require.NoError(t, a.only().Shutdown(w.now))
	a.drain(a.only())
	w.transfer(time.Minute, f)
	w.until(time.Second, "closed", func() bool { return a.only().State() == core.Closed && b.only().State() == core.Closed })
	require.NoError(t, a.only().Err())
	require.NoError(t, b.only().Err())
}

func TestTransferSurvivesABadNetwork(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w, a, b := two(t, 100+seed, func(c *core.Config) {
				c.RTOMin = 200 * time.Millisecond
				c.AssociationMaxRetrans = 100
				c.MaxInitRetransmits = 100
			})
			w.segs = 1 + int(seed%2)*43
			w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.1, ReorderDelay: 20 * time.Millisecond, Corrupt: 0.01})
			a.dial(b)
			w.until(time.Minute, "established", func() bool { return a.only().State() == core.Established })
			w.transfer(time.Hour, newFlow(a, b, seed, 4, 200), newFlow(b, a, seed+50, 4, 200))
			require.NoError(t, a.only().Shutdown(w.now))
			a.drain(a.only())
			w.until(5*time.Minute, "closed", func() bool { return a.only().State() == core.Closed })
		})
	}
}
