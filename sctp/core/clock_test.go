package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func TestClockSetBack(t *testing.T) { // deadlines move along
	v, _ := sending(t, 1, 100, nil)
	v.w.run(600 * time.Millisecond)
	v.as.HandleTimeout(v.w.now)
	v.w.now = v.w.now.Add(-24 * time.Hour)
	v.as.HandlePacket(v.w.now, core.Inbound{Remote: addrA}, mustParse(t, v.packet(&wire.Heartbeat{Info: []byte("x")})))
	when, ok := v.as.NextTimeout()
	require.True(t, ok)
	require.Equal(t, 400*time.Millisecond, when.Sub(v.w.now), "what was left of T3-rtx")
	v.out = nil
	v.b.drain(v.as)
	v.w.run(time.Second)
	require.GreaterOrEqual(t, len(v.out), 2, "the HEARTBEAT ACK and the retransmission")
}

func TestTimeThatJittersBackwards(t *testing.T) { // callers read the clock before they lock
	v, first := sending(t, 1, 100, func(c *core.Config) { c.RTOMin = 10 * time.Millisecond })
	start := v.w.now
	v.as.HandleTimeout(start.Add(100 * time.Millisecond))
	for range 1000 {
		v.as.HandlePacket(start.Add(90*time.Millisecond), core.Inbound{Remote: addrA}, mustParse(t, v.packet(&wire.CookieAck{})))
		v.as.HandleTimeout(start.Add(100 * time.Millisecond))
	}
	require.Zero(t, v.as.Stats().T3Expirations, "deadlines did not drift")
	v.as.HandlePacket(start.Add(95*time.Millisecond), core.Inbound{Remote: addrA}, mustParse(t, v.packet(&wire.Sack{CumTSN: first, ARwnd: 9999})))
	require.Equal(t, 100*time.Millisecond, v.as.Paths()[0].SRTT)
}

func TestClockSetForward(t *testing.T) {
	v, _ := sending(t, 3, 100, nil)
	v.w.now = v.w.now.Add(1000 * time.Hour)
	v.as.HandleTimeout(v.w.now)
	v.b.drain(v.as)
	require.Equal(t, core.Established, v.as.State())
	require.Equal(t, uint64(1), v.as.Stats().T3Expirations, "one expiry, however late")
}

func mustParse(t testing.TB, b []byte) wire.Packet {
	pkt, err := wire.Parse(b)
	require.NoError(t, err)
	return pkt
}

func TestHeartbeatJitter(t *testing.T) { // RFC 9260 §8.3: +/- 50 % of the RTO, also of a long one
	for _, rto := range []time.Duration{time.Second, 20 * time.Second, time.Minute} {
		early, late := 0, 0
		for seed := range uint64(200) {
			w, a, b := two(t, seed, func(c *core.Config) {
				c.RTOInitial, c.RTOMin, c.RTOMax, c.HeartbeatInterval = rto, rto, rto, 10*time.Second
			})
			w.net.SetDefaultLink(simnet.Link{})
			a.dial(b)
			w.run(0)
			when, ok := a.only().NextTimeout()
			require.True(t, ok)
			for ; when.Sub(epoch) < 10*time.Second; when, ok = a.only().NextTimeout() {
				w.run(when.Sub(w.now)) // the trimming of pools
			}
			require.True(t, ok)
			off := when.Sub(epoch) - 10*time.Second
			require.GreaterOrEqual(t, off, rto/2)
			require.Less(t, off, rto+rto/2)
			if off < rto {
				early++
			} else {
				late++
			}
		}
		require.InDelta(t, early, late, 80, "RTO %v", rto)
	}
}

func TestTimersOfNoLengthDoNotSpin(t *testing.T) {
	w, a, b := two(t, 3, func(c *core.Config) {
		c.RTOInitial, c.RTOMin, c.RTOMax, c.SackDelay, c.HeartbeatInterval = -1, 0, -5, -1, -1
		c.CookieLife, c.MTU, c.EncapOverhead, c.RecvBuffer, c.SendBuffer, c.MaxMessageSize = -1, -1, -1, -1, -1, 1<<30
		c.OutStreams, c.MaxInStreams, c.SackFrequency = 0, 0, 0
	})
	w.net.SetDefaultLink(simnet.Link{})
	a.dial(b)
	for range 50 {
		if w.step(w.now.Add(time.Second)); a.only().State() == core.Established {
			break
		}
	}
	require.Equal(t, core.Established, a.only().State())
	require.NoError(t, a.only().Send(w.now, &core.Outgoing{}, []byte("x")))
	a.drain(a.only())
	w.run(100 * time.Millisecond)
	require.Equal(t, 1, b.only().Held())
	require.Equal(t, 1, a.only().OutStreams())
}
