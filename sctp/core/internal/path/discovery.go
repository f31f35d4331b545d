package path

import (
	"net/netip"
	"time"
)

// DiscoveryState is the state of the search for the largest packet that a path
// carries (RFC 8899 §5.2).
type DiscoveryState uint8

// States of path MTU discovery.
const (
	DiscoveryOff       DiscoveryState = iota // DISABLED: not connected, or no data to send yet
	DiscoveryBase                            // BASE: is the path good for the base size?
	DiscoverySearching                       // SEARCHING: larger packets are tried
	DiscoveryComplete                        // SEARCH_COMPLETE: nothing is tried until the raise timer
	DiscoveryError                           // ERROR: not even the base size passes
)

// String is the state's name in lower case.
func (s DiscoveryState) String() string {
	switch s {
	case DiscoveryOff:
		return "off"
	case DiscoveryBase:
		return "base"
	case DiscoverySearching:
		return "searching"
	case DiscoveryComplete:
		return "complete"
	case DiscoveryError:
		return "error"
	}
	return "unknown"
}

// Constants of RFC 8899 §5.1.
const (
	maxProbes     = 3                 // MAX_PROBES
	minProbeTimer = time.Second       // the least that PROBE_TIMER may be
	raiseTimer    = 600 * time.Second // PMTU_RAISE_TIMER
	maxLies       = 3                 // contradicted messages that make others be ignored, §5.3.3
)

// SmallestSize is what a packet may measure in bytes so that any path of any kind
// carries it whole.
const SmallestSize = 512

// IP MTUs that every path of a family carries, and those that all but a few carry:
// MIN_PLPMTU and BASE_PLPMTU, which RFC 8899 §5.1.2 counts without the IP header.
const (
	minMTUv4  = 576
	baseMTUv4 = 1220 // 1,200 bytes behind the IP header
	minMTUv6  = 1280 // RFC 8200 §5
)

// commonMTUs is IP MTUs that are met with, in ascending order; a search tries no
// others (RFC 8899 §5.3.2) but the configured maximum and what ICMP tells.
var commonMTUs = [...]int{768, 1006, baseMTUv4, 1280, 1360, 1400, 1420, 1440, 1452, 1464, 1480, 1492, 1500,
	2048, 4352, 8192, 9000, 9216, 16384, 32768, 65535}

// Discovery is the search for the largest packet that a path carries, by probes
// that are padded to the size in question (RFC 8899). Sizes are those of SCTP
// packets. The path's Size is what is known to pass; it begins with the base size.
type Discovery struct {
	At     time.Time // PROBE_TIMER or PMTU_RAISE_TIMER, by the state; zero: not running
	Probed int       // PROBED_SIZE; 0: no probe is under way
	Nonce  uint64    // of the probe under way
	SentAt time.Time // when that was sent; zero: no probe is under way
	Sent   uint64    // a count of DATA chunks when the last probe was sent
	State  DiscoveryState
	Due    bool // a probe of Probed bytes is to be sent
	// Asleep: the raise timer has expired, and the next search waits for data to
	// be sent (RFC 8899 §5.1.1).
	Asleep bool
	// Fragment: not even the smallest packets pass whole (RFC 8899 §5.2).
	Fragment bool

	on             bool
	count          int8 // PROBE_COUNT
	min, base, max int
	errors         int // the path's error counter when Fragment was set
	failed         int // the smallest size that a probe failed with; 0: none
	hint           int // a size that an ICMP message named and is to be tried next; 0: none

	// Messages that said that no more than told passes, which was not so.
	told, lies int
	deaf       time.Time // until when such messages are ignored
}

// init prepares the search and returns the size to begin with.
func (d *Discovery) init(remote netip.Addr, mtu, overhead int) int {
	size := func(mtu int) int { return PacketSize(remote, mtu, overhead) }
	d.on, d.max = true, size(mtu)
	d.min, d.base = size(minMTUv4), size(baseMTUv4)
	if remote.Is6() {
		d.min, d.base = size(minMTUv6), size(minMTUv6)
	}
	d.base = min(d.base, d.max)
	d.min = min(d.min, d.base)
	return d.base
}

// resize sets the largest packet to send (PLPMTU).
func (p *Path) resize(size int) {
	if size != p.Size {
		p.Size = size
		p.CC.SetMTU(p.PMDCS())
	}
}

// StartDiscovery begins the search: the path works, and there is data to send
// (DISABLED to BASE).
func (p *Path) StartDiscovery() {
	if d := &p.Discovery; d.on && d.State == DiscoveryOff {
		d.failed, d.hint = 0, 0
		p.confirmBase()
	}
}

// StopDiscovery ends the search: the path does not work (any state to DISABLED).
func (p *Path) StopDiscovery() {
	p.Discovery.enter(DiscoveryOff, 0)
	p.Discovery.At, p.Discovery.Asleep = time.Time{}, false
}

// forgetSize begins with the base size again, on a way that nothing is known of.
func (p *Path) forgetSize() {
	if d := &p.Discovery; d.on {
		p.StopDiscovery()
		d.Fragment = false
		p.resize(d.base)
	}
}

// confirmBase enters BASE.
func (p *Path) confirmBase() {
	p.Discovery.Fragment = false
	p.Discovery.enter(DiscoveryBase, p.Discovery.base)
	p.resize(p.Discovery.base)
}

// fallBack enters ERROR: the size is one that every path carries.
func (p *Path) fallBack() {
	p.Discovery.enter(DiscoveryError, p.Discovery.min)
	p.resize(p.Discovery.min)
}

// enter changes the state, with a first probe of size bytes unless that is 0.
func (d *Discovery) enter(s DiscoveryState, size int) {
	d.State, d.count = s, 0
	d.probe(size)
}

// probe makes size the next one to try; 0: none.
func (d *Discovery) probe(size int) {
	d.Probed, d.Due = size, size > 0
	d.Nonce, d.SentAt, d.At = 0, time.Time{}, time.Time{}
}

// ProbeSent starts PROBE_TIMER.
func (p *Path) ProbeSent(now time.Time, nonce uint64) {
	d := &p.Discovery
	d.Due, d.Nonce, d.SentAt = false, nonce, now
	d.At = now.Add(max(p.RTO.Base(), minProbeTimer))
}

// ProbeAcked takes the answer to the probe under way.
func (p *Path) ProbeAcked(now time.Time) {
	d := &p.Discovery
	d.count = 0
	if d.told > 0 && d.Probed > d.told {
		d.told = 0
		if d.lies++; d.lies == maxLies {
			d.lies, d.deaf = 0, now.Add(raiseTimer)
		}
	}
	switch d.State {
	case DiscoveryError:
		d.failed = d.base // as was seen in BASE
		if d.base == d.min {
			d.failed = 0
		}
		d.State = DiscoverySearching
	case DiscoveryBase:
		d.State = DiscoverySearching
	}
	if d.failed > 0 && d.Probed >= d.failed {
		d.failed = 0 // what had failed passes now
	}
	p.resize(d.Probed)
	p.search(now)
}

// search sends the next probe of a search, or ends it.
func (p *Path) search(now time.Time) {
	d := &p.Discovery
	switch {
	case p.Size >= d.max:
		d.enter(DiscoveryComplete, 0) // nothing can be gained any more
	case d.count >= maxProbes:
		d.complete(now)
	default:
		d.probe(p.nextProbe())
	}
}

// complete enters SEARCH_COMPLETE below the maximum.
func (d *Discovery) complete(now time.Time) {
	d.enter(DiscoveryComplete, 0)
	d.At = now.Add(raiseTimer)
}

// nextProbe is the size to try next: what an ICMP message said; else the maximum,
// which is what most paths carry; when that has failed, the middle one of the
// common sizes that are left, but the smallest of them if it is the last attempt;
// when none is left, the one that failed once more, lest a probe that got lost by
// chance decides.
func (p *Path) nextProbe() int {
	d := &p.Discovery
	if h := d.hint; h > p.Size {
		d.hint = 0
		return h
	}
	if d.failed == 0 {
		return d.max
	}
	var between [len(commonMTUs)]int
	n := 0
	for _, mtu := range commonMTUs {
		if s := PacketSize(p.Remote.Addr(), mtu, p.overhead); s > p.Size && s < d.failed {
			between[n] = s
			n++
		}
	}
	switch {
	case n == 0:
		return d.failed
	case d.count == maxProbes-1:
		return between[0]
	}
	return between[n/2]
}

// DiscoveryTimer does what is due when At has come. active says that data was sent
// since the last probe: without, no search begins anew.
func (p *Path) DiscoveryTimer(now time.Time, active bool) {
	d := &p.Discovery
	d.At = time.Time{}
	switch {
	case d.SentAt.IsZero() && active:
		p.Resume()
	case d.SentAt.IsZero():
		d.Asleep = true
	default:
		p.probeLost(now)
	}
}

// Resume begins a new search after PMTU_RAISE_TIMER.
func (p *Path) Resume() {
	d := &p.Discovery
	d.Asleep, d.failed, d.hint = false, 0, 0
	switch d.State {
	case DiscoveryComplete:
		d.enter(DiscoverySearching, d.max)
	case DiscoveryError:
		p.confirmBase()
	}
}

// Revive is told when a path works again that has failed, before its error counter
// is cleared. If fragments did not pass either, it was an outage, and what the probes
// found counts for nothing.
func (p *Path) Revive() {
	if d := &p.Discovery; d.Fragment && p.Errors > d.errors {
		p.confirmBase()
	}
}

// probeLost counts a probe that was not answered within PROBE_TIMER.
func (p *Path) probeLost(now time.Time) {
	d := &p.Discovery
	d.count++
	switch d.State {
	case DiscoverySearching:
		if p.Errors > 0 { // nothing else comes through either
			d.count--
			d.probe(d.Probed)
			return
		}
		if d.failed == 0 || d.Probed < d.failed {
			d.failed = d.Probed
		}
		p.search(now)
	case DiscoveryBase:
		switch {
		case d.count < maxProbes:
			d.probe(d.base)
		case d.min < d.base:
			p.fallBack()
		default:
			p.giveUp(now)
		}
	case DiscoveryError:
		if d.count < maxProbes {
			d.probe(d.min)
			return
		}
		p.giveUp(now)
	}
}

// giveUp is ERROR without a size that passes: packets may be fragmented until the
// raise timer allows another attempt.
func (p *Path) giveUp(now time.Time) {
	p.fallBack()
	d := &p.Discovery
	d.probe(0)
	d.Fragment, d.errors = true, p.Errors
	d.At = now.Add(raiseTimer)
}

// TooBig takes the word of a validated ICMP message that packets of more than size
// bytes do not pass (RFC 8899 §4.6.2). It never sets the size by itself, but says
// what to try; and it may lower the size to the base. False: it makes no sense.
func (p *Path) TooBig(now time.Time, size int) bool {
	d := &p.Discovery
	most := max(p.Size, d.Probed) // what can have been too big
	switch {
	case !d.on || size < d.min || size >= most:
		return false
	case d.State == DiscoveryOff:
		if now.Before(d.deaf) {
			return false
		}
		p.shrink(size)
	case size > p.Size: // the probe is what was too big
		d.failed, d.hint = d.Probed, size
		d.probe(p.nextProbe())
	case size == p.Size:
		if d.State != DiscoverySearching {
			return false
		}
		d.complete(now)
	case now.Before(d.deaf):
		return false
	default:
		d.told, d.failed, d.hint = size, 0, size
		if size < d.base {
			p.fallBack()
		} else {
			p.confirmBase()
		}
	}
	return true
}

// shrink lowers the size of a path that is not searched, because there was too little
// data to send or because it had failed: to the base, or to what every path carries if
// the base is more than size.
func (p *Path) shrink(size int) {
	if d := &p.Discovery; size < d.base || p.Size <= d.base {
		p.resize(d.min)
	} else {
		p.resize(d.base)
	}
}

// BlackHole is told when large packets do not seem to pass any more: the size is
// lowered and the search begins anew (RFC 8899 §4.3). False: there is nothing to
// lower.
func (p *Path) BlackHole() bool {
	d := &p.Discovery
	switch {
	case !d.on || p.Size <= d.min, d.State == DiscoveryBase, d.State == DiscoveryError:
		return false
	case d.State == DiscoveryOff:
		p.shrink(min(p.Size-1, d.base))
		return true
	}
	d.failed, d.hint = 0, 0
	if p.Size > d.base {
		p.confirmBase()
	} else {
		p.fallBack()
	}
	return true
}

// Large says whether a packet of this size may be lost because of it: not every path
// carries it, and it is not one that may be fragmented anyway.
func (p *Path) Large(size int) bool {
	return p.Discovery.on && size > p.Discovery.min && size <= p.Size
}

// Suspect counts a packet of this size that was lost, maybe for its size, and returns
// how many were in a row: an acknowledgement of one that is as large begins anew.
func (p *Path) Suspect(size int) int {
	if p.suspects++; p.suspects == 1 || size < int(p.suspect) {
		p.suspect = int32(size)
	}
	return int(p.suspects)
}

// Passed is told of the largest packet that a SACK acknowledges.
func (p *Path) Passed(size int) {
	if size >= int(p.suspect) {
		p.Acquit()
	}
}

// Acquit begins to count anew.
func (p *Path) Acquit() { p.suspects, p.suspect = 0, 0 }
