package coresim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core"
)

// patient is a number of retransmissions that no network of these simulations
// takes.
const patient = 100_000

// randomConfig draws a configuration. Associations of mortal ones may end because
// the peer seems unreachable.
func randomConfig(r *rand.Rand, mortal bool) core.Config {
	c := core.DefaultConfig()
	c.RTOMin = pick(r, 20*time.Millisecond, 100*time.Millisecond, time.Second)
	c.RTOMax = pick(r, 2*time.Second, 5*time.Second)
	c.RTOInitial = pick(r, c.RTOMin, time.Second, c.RTOMax)
	c.SackDelay = pick(r, 0, time.Duration(r.IntN(500))*time.Millisecond)
	c.SackFrequency = 1 + r.IntN(4)
	c.RecvBuffer = pick(r, 4096, 10_000, 60_000, 1<<18)
	c.SendBuffer = pick(r, 1, 2000, 20_000, 1<<18)
	c.MTU = pick(r, 576, 1280, 1500, 9000)
	c.MaxBurst = r.IntN(6)
	c.NoDelay = r.IntN(3) > 0
	c.HeartbeatInterval = time.Duration(1+r.IntN(20)) * time.Second
	c.OutStreams = pick(r, uint16(1+r.IntN(20)), 1000)
	c.MaxInStreams = pick(r, uint16(1+r.IntN(20)), 65535)
	c.AssociationMaxRetrans, c.PathMaxRetrans, c.MaxInitRetransmits = patient, r.IntN(8), 1000
	c.ReportUndelivered = r.IntN(2) == 0
	c.PotentiallyFailed, c.PFMaxRetrans = r.IntN(2) == 0, r.IntN(3)
	c.HidePotentiallyFailed = r.IntN(4) == 0
	c.PrimarySwitchover, c.PrimaryMaxRetrans = r.IntN(4) == 0, r.IntN(8)
	c.HeartbeatMaxBurst = 1 + r.IntN(3)
	c.ECN = r.IntN(2) == 0
	c.CookieLife = pick(r, time.Minute, time.Second, 300*time.Millisecond)
	c.Congestion = pick[congestion.Algorithm](r, congestion.Reno, congestion.Cubic)
	if mortal {
		c.AssociationMaxRetrans, c.MaxInitRetransmits = 8, 8
	}
	return c
}

// addresses draws the networks that two hosts share, and the addresses of each. A
// host may be in the first one only.
func addresses(r *rand.Rand) (a, b []netip.Addr) {
	n := pick(r, 1, 1, 2, 2, 3)
	for i := range n {
		x, y := netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), netip.AddrFrom4([4]byte{10, 0, byte(i), 2})
		if r.IntN(4) == 0 {
			x, y = netip.AddrFrom16([16]byte{0xfd, 14: byte(i), 15: 1}), netip.AddrFrom16([16]byte{0xfd, 14: byte(i), 15: 2})
		}
		a, b = append(a, x), append(b, y)
	}
	switch r.IntN(6) {
	case 0:
		a = a[:1]
	case 1:
		b = b[:1]
	}
	return a, b
}
