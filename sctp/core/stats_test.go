package core_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
)

// On a network that loses nothing, one side has received what the other has sent.
func TestCountersOfBothEndsAgree(t *testing.T) { // RFC 3873 sctpStats
	w, a, b := connected(t, 5, nil)
	w.transfer(time.Minute, newFlow(a, b, 10, 5, 300), newFlow(b, a, 11, 3, 300))
	w.run(time.Second)
	for _, side := range []struct{ from, to core.Stats }{
		{a.only().Stats(), b.only().Stats()}, {b.only().Stats(), a.only().Stats()},
	} {
		from, to := side.from, side.to
		require.Equal(t, from.DataOut, to.DataIn)
		require.Equal(t, from.UnorderedOut, to.UnorderedIn)
		require.Equal(t, from.MessagesOut, to.MessagesIn)
		require.Equal(t, from.FragmentedOut, to.ReassembledIn)
		require.Equal(t, from.BytesOut, to.BytesIn)
		require.Equal(t, from.SacksOut, to.SacksIn)
		require.NotZero(t, from.MessagesOut)
		require.NotZero(t, from.FragmentedOut)
		require.NotZero(t, from.SacksOut)
		require.Zero(t, from.Dropped+from.NoRoom+from.DuplicatesIn+from.Retransmitted)
	}
	// Only the INIT was answered before the listener had an association.
	sa, sb := a.only().Stats(), b.only().Stats()
	require.Equal(t, sa.ControlOut, sb.ControlIn+1)
	require.Equal(t, sa.PacketsOut, sb.PacketsIn+1)
	require.Equal(t, sb.ControlOut+1, sa.ControlIn)
	require.Equal(t, sb.PacketsOut+1, sa.PacketsIn)
	p := a.only().Paths()[0]
	require.Equal(t, sa.PacketsIn, p.PacketsIn)
	require.Equal(t, sa.PacketsOut, p.PacketsOut)
	require.True(t, p.Heartbeats)
	require.Equal(t, 15*time.Second, p.HeartbeatInterval)
	require.Equal(t, 5, p.MaxRetrans)
}

// RFC 3873 sctpAssocStartTime: when ESTABLISHED was entered.
func TestEstablishedIsWhenTheStateWasEntered(t *testing.T) {
	w, a, b := two(t, 1, nil)
	a.dial(b)
	require.True(t, a.only().Established().IsZero())
	w.until(time.Second, "established", func() bool { return a.only().State() == core.Established })
	at := a.only().Established()
	require.Equal(t, w.now, at)
	w.run(time.Minute)
	require.Equal(t, at, a.only().Established())
}

// Every counter is in sums and differences.
func TestStatsAddAndSub(t *testing.T) {
	var one, sum core.Stats
	v := reflect.ValueOf(&one).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(i + 1))
	}
	sum.Add(&one)
	sum.Add(&one)
	for i := range v.NumField() {
		require.EqualValues(t, 2*(i+1), reflect.ValueOf(sum).Field(i).Uint(), v.Type().Field(i).Name)
	}
	sum.Sub(&one)
	require.Equal(t, one, sum)
}
