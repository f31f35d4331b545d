package path

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/congestion"
)

var epoch = time.Unix(1_700_000_000, 0)

func config() *Config {
	return &Config{RTOInitial: time.Second, RTOMin: time.Second, RTOMax: time.Minute, MTU: 1500, EncapOverhead: 8,
		NewController: func(a netip.Addr, pmdcs int) congestion.Controller {
			if a.Is6() {
				return congestion.NewRenoIPv6(pmdcs, 0)
			}
			return congestion.NewReno(pmdcs, 0)
		}}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestPacketSize(t *testing.T) { // RFC 9260 §1.6, RFC 6951 §5.6
	for _, c := range []struct {
		to                  string
		mtu, overhead, size int
	}{
		{"192.0.2.1:1", 1500, 8, 1472}, {"[2001:db8::1]:1", 1500, 8, 1452}, {"192.0.2.1:1", 1500, 0, 1480},
		{"192.0.2.1:1", 1499, 8, 1468}, {"192.0.2.1:1", 65535, 8, 65504}, {"192.0.2.1:1", 68, 8, 512},
	} {
		require.Equal(t, c.size, PacketSize(addr(c.to).Addr(), c.mtu, c.overhead), "%+v", c)
	}
	p := New(0, addr("192.0.2.1:1"), netip.Addr{}, Active, config())
	require.Equal(t, 1460, p.PMDCS())
	require.Equal(t, 4404, p.CC.Window())
	p = New(0, addr("[2001:db8::1]:1"), netip.Addr{}, Active, config())
	require.Equal(t, 4344, p.CC.Window(), "RFC 9260 §7.2.1: IPv6")
}

func TestRTO(t *testing.T) { // RFC 9260 §6.3.1
	r := NewRTO(3*time.Second, 100*time.Millisecond, 60*time.Second)
	require.Equal(t, 3*time.Second, r.Value(), "C1")
	r.Measure(time.Second)
	require.Equal(t, time.Second, r.SRTT())
	require.Equal(t, 500*time.Millisecond, r.RTTVar())
	require.Equal(t, 3*time.Second, r.Value(), "C2")
	r.Measure(2 * time.Second)
	require.Equal(t, 625*time.Millisecond, r.RTTVar(), "C3: with the old SRTT")
	require.Equal(t, 1125*time.Millisecond, r.SRTT())
	require.Equal(t, 3625*time.Millisecond, r.Value())
	r.Backoff()
	require.Equal(t, 7250*time.Millisecond, r.Value(), "E2")
	for range 40 {
		r.Backoff()
	}
	require.Equal(t, 60*time.Second, r.Value(), "C7")
	r.Restore()
	require.Equal(t, 3625*time.Millisecond, r.Value())
	for range 200 {
		r.Measure(time.Millisecond)
	}
	require.Equal(t, 100*time.Millisecond, r.Value(), "C6")
	require.Positive(t, r.RTTVar())
}

func TestRTOOfStrangeMeasurements(t *testing.T) { // M4; G1
	r := NewRTO(time.Second, time.Second, time.Minute)
	r.Measure(0)
	require.Equal(t, granularity, r.RTTVar(), "G1")
	r.Measure(-time.Hour)
	require.Equal(t, time.Second, r.Value())
	r.Measure(1 << 62)
	require.Equal(t, time.Minute, min(r.Value(), time.Minute))
	require.LessOrEqual(t, r.SRTT(), time.Minute)
	for range 100 {
		r.Measure(0)
	}
	require.Equal(t, time.Second, r.Value())
}

func TestIdleWindowDecaysPerRTO(t *testing.T) { // RFC 9260 §7.2.1
	p := New(0, addr("192.0.2.1:1"), netip.Addr{}, Active, config())
	for range 100 {
		p.CC.OnAck(congestion.AckEvent{Bytes: 1460, CwndLimited: true, CumAdvanced: true})
	}
	w := p.CC.Window()
	p.Decay(epoch)
	require.Equal(t, w, p.CC.Window(), "nothing was sent yet")
	p.LastData = epoch
	p.Decay(epoch.Add(999 * time.Millisecond))
	require.Equal(t, w, p.CC.Window())
	p.Decay(epoch.Add(1900 * time.Millisecond))
	require.Equal(t, w/2, p.CC.Window())
	p.Decay(epoch.Add(1950 * time.Millisecond))
	require.Equal(t, w/2, p.CC.Window(), "once for each RTO")
	p.Decay(epoch.Add(2 * time.Second))
	require.Equal(t, w/4, p.CC.Window())
	p.InFlight = 1
	p.Decay(epoch.Add(9 * time.Second))
	require.Equal(t, w/4, p.CC.Window(), "not idle")
	p.InFlight = 0
	p.Decay(epoch.Add(1000 * time.Hour))
	require.Equal(t, 4*1460, p.CC.Window())
	p.Decay(epoch) // the clock was set back
	require.Equal(t, 4*1460, p.CC.Window())
}

func TestWindowAfterATimeout(t *testing.T) { // RFC 9260 §7.2.3
	p := New(0, addr("192.0.2.1:1"), netip.Addr{}, Active, config())
	require.Equal(t, 4404, p.Window())
	p.InFlight = 100
	require.Equal(t, 4304, p.Window())
	p.Alone = true
	require.Zero(t, p.Window(), "one packet in flight")
	p.InFlight = 0
	require.Equal(t, 4404, p.Window())
}

func TestTimersAndMeasurement(t *testing.T) {
	p := New(0, addr("192.0.2.1:1"), netip.Addr{}, Active, config())
	p.StartT3(epoch)
	p.StartT3(epoch.Add(time.Second))
	require.Equal(t, epoch.Add(time.Second), p.T3, "R1: it runs already")
	p.RestartT3(epoch.Add(time.Second))
	require.Equal(t, epoch.Add(2*time.Second), p.T3)
	p.Time(epoch, 7)
	p.Time(epoch.Add(time.Second), 8)
	require.Equal(t, epoch, p.TimedAt, "one measurement at a time")
	p.Untime(8)
	require.True(t, p.Timing)
	p.Shift(-time.Hour)
	require.Equal(t, epoch.Add(2*time.Second-time.Hour), p.T3)
	require.True(t, p.Heartbeat.At.IsZero(), "what does not run stays so")
	p.Measured(epoch.Add(300*time.Millisecond - time.Hour))
	require.Equal(t, 300*time.Millisecond, p.RTT)
	require.Equal(t, 300*time.Millisecond, p.RTO.SRTT())
	p.Time(epoch, 9)
	p.Untime(3)
	require.False(t, p.Timing, "C5: an earlier chunk was retransmitted")
	p.StopT3()
	require.True(t, p.T3.IsZero())
}

func TestChoiceOfPath(t *testing.T) { // RFC 9260 §6.4
	var s Set
	require.Nil(t, s.Primary())
	require.Nil(t, s.Current())
	for i, a := range []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"} {
		s.Add(addr(a), netip.Addr{}, State(i), config()) // unconfirmed, active, inactive
	}
	require.Equal(t, 1, s.Current().ID)
	s.SetPrimary(9)
	s.SetPrimary(2)
	require.Equal(t, 2, s.Primary().ID)
	require.Equal(t, 1, s.Current().ID)
	s.All[1].State = PotentiallyFailed
	require.Equal(t, 1, s.Current().ID, "better than none")
	s.All[1].State, s.All[1].Errors = Inactive, 1
	require.Equal(t, 2, s.Current().ID, "the primary, since there is no better")
	s.All[0].State = Active
	require.Equal(t, 0, s.Current().ID)
	require.Equal(t, 0, s.Alternate(s.All[2]).ID)
	require.Equal(t, 0, s.Alternate(s.All[0]).ID, "no other")
	require.Equal(t, s.All[1], s.Find(addr("192.0.2.2:77").Addr()))
	require.Nil(t, s.Find(addr("192.0.2.9:1").Addr()))
	require.Equal(t, 1472, s.MinSize())
	s.Add(addr("[2001:db8::1]:1"), netip.Addr{}, Active, config())
	require.Equal(t, 1452, s.MinSize())
	for range 100 {
		s.Add(addr("192.0.2.4:1"), netip.Addr{}, Active, config())
	}
	require.Len(t, s.All, MaxPaths)
}

func TestStateNames(t *testing.T) {
	names := map[string]bool{}
	for s := Unconfirmed; s <= PotentiallyFailed+1; s++ {
		names[s.String()] = true
	}
	require.Len(t, names, 5)
}
