// Package path holds the state of the destination addresses of one association:
// reachability, round-trip time, congestion window, heartbeat (RFC 9260 §5.4,
// §6.3, §6.4, §8.2, §8.3).
package path

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/wire"
)

// State is the reachability of a destination address.
type State uint8

// States of a path. Nothing but heartbeats goes to an Unconfirmed one; DATA goes to
// an Active one, and only if there is none to another (see Set.Current).
const (
	Unconfirmed       State = iota // not verified by a heartbeat yet, RFC 9260 §5.4
	Active                         // reachable
	Inactive                       // error counter above Path.Max.Retrans, §8.2
	PotentiallyFailed              // error counter above PotentiallyFailed.Max.Retrans, RFC 7829
)

// String is the state's name in lower case.
func (s State) String() string {
	switch s {
	case Unconfirmed:
		return "unconfirmed"
	case Active:
		return "active"
	case Inactive:
		return "inactive"
	case PotentiallyFailed:
		return "potentially-failed"
	}
	return "unknown"
}

// Config is what a path needs of the association's configuration.
type Config struct {
	RTOInitial, RTOMin, RTOMax time.Duration
	MTU                        int  // IP MTU in bytes
	EncapOverhead              int  // bytes between the IP header and SCTP
	Discover                   bool // the MTU of each path, up to MTU
	Settings                   Settings
	// NewController makes the congestion controller of a path to an address.
	NewController func(remote netip.Addr, pmdcs int) congestion.Controller
}

// Path is one destination address (IP address and UDP encapsulation port) and
// the source address used towards it.
type Path struct {
	ID     int
	Remote netip.AddrPort
	Local  netip.Addr // zero: the kernel chooses

	Heard   uint64    // at which of this end's addresses packets of the peer have arrived, a bit each
	HeardAt time.Time // when one last arrived at Local

	RTO      RTO
	CC       congestion.Controller
	InFlight int // bytes of DATA chunks outstanding on this path
	Errors   int // consecutive, RFC 9260 §8.2
	Size     int // largest SCTP packet in bytes
	Settings Settings

	Discovery Discovery // of Size
	overhead  int       // bytes between the IP header and SCTP
	suspects  int32     // packets in a row that were lost, maybe for their size,
	suspect   int32     // and the smallest such size

	// Oldest is the lowest TSN outstanding here, while InFlight > 0. Its
	// acknowledgement restarts T3-rtx (RFC 9260 §6.3.2 R3).
	Oldest wire.TSN
	// Round-trip measurement with one DATA chunk at a time (rules C4, C5).
	TimedTSN wire.TSN
	TimedAt  time.Time
	T3       time.Time     // retransmission timer; zero: not running
	MinRTT   time.Duration // the least that was measured, 0: none

	LastData  time.Time     // when DATA was last sent; zero: never
	Decayed   time.Duration // how long after that the idle rule of §7.2.1 was applied
	Burst     int           // bytes sent less those acknowledged since sending last paused, §6.1 D
	Heartbeat Heartbeat

	// Hold, if not zero, is until when nothing new may be sent (RFC 3168 §6.1.2).
	Hold time.Time

	Tail Tail

	Count Counters

	// What the SACK being processed did to this path.
	Acked       int           // bytes newly acknowledged
	RTT         time.Duration // measured, 0 if not
	Largest     int           // packet that was acknowledged, if its size was in doubt
	Latest      wire.TSN      // the highest that was newly acknowledged and was sent only once, if Clean
	Clean       bool          // there is one
	OldestAcked bool          // Oldest was among them
	Proven      bool          // something was acknowledged that went nowhere else
	LossSeen    bool

	// The switches are side by side, since there may be thousands of paths.

	State   State
	Refused bool // a port unreachable answered the INIT or the last HEARTBEAT
	Hinted  bool // a message that proves nothing said that the peer is unreachable, and it did not answer since
	Timing  bool // TimedTSN is being measured
	// Alone: T3-rtx expired and nothing was acknowledged since, so that no more
	// than one packet may be in flight (§7.2.3).
	Alone bool
	// Limited: when there was last an occasion to send, the congestion window kept
	// data back.
	Limited bool
	Reduced bool // the congestion window was reduced for the losses in question, see core's spurious.go
	// Full: the window, not the user, held data back since the last SACK.
	Full bool
}

// Counters is what happened on a path, after RFC 3873 (sctpAssocRemAddrTable).
type Counters struct {
	PacketsIn, PacketsOut uint64
	Retransmitted         uint64 // DATA chunks
	T3Expirations         uint64
}

// Heartbeat is the state of path probing (RFC 9260 §8.3).
type Heartbeat struct {
	At      time.Time // when the next HEARTBEAT is due; zero: off
	Expires time.Time // when the pending one counts as lost; zero: none pending
	Nonce   uint64
	SentAt  time.Time
}

// New returns a path in the given state with the initial congestion window.
func New(id int, remote netip.AddrPort, local netip.Addr, state State, c *Config) *Path {
	p := &Path{ID: id, Remote: remote, Local: local, State: state, Settings: c.Settings, overhead: c.EncapOverhead}
	p.RTO = NewRTO(c.RTOInitial, c.RTOMin, c.RTOMax)
	p.Size = PacketSize(remote.Addr(), c.MTU, c.EncapOverhead)
	if c.Discover {
		p.Size = p.Discovery.init(remote.Addr(), c.MTU, c.EncapOverhead)
	}
	p.CC = c.NewController(remote.Addr(), p.PMDCS())
	return p
}

// Reroute begins congestion control anew, because packets take another way from now on
// (RFC 9260 §7.2.5.2), and so does the search for its MTU. After a timeout no more than
// one packet is in flight all the same.
func (p *Path) Reroute(c *Config) {
	p.forgetSize()
	p.CC = c.NewController(p.Remote.Addr(), p.PMDCS())
	p.Decayed, p.Hold, p.Burst, p.Timing, p.MinRTT = 0, time.Time{}, 0, false, 0
}

// PacketSize is the largest SCTP packet in bytes that fits an IP MTU on the way
// to an address, a multiple of four so that chunks fill it whole.
func PacketSize(remote netip.Addr, mtu, overhead int) int {
	header := 20
	if remote.Is6() {
		header = 40
	}
	return max(mtu-header-overhead, SmallestSize) &^ 3
}

// PMDCS is the path maximum DATA chunk size: what remains for DATA chunks after
// the common header (RFC 9260 §1.6).
func (p *Path) PMDCS() int { return p.Size - wire.HeaderLen }

// Usable says whether user data may be sent here.
func (p *Path) Usable() bool { return p.State == Active || p.State == PotentiallyFailed }

// StartT3 starts the retransmission timer unless it runs (RFC 9260 §6.3.2 R1).
func (p *Path) StartT3(now time.Time) {
	if p.T3.IsZero() {
		p.T3 = now.Add(p.RTO.Value())
	}
}

// RestartT3 starts the retransmission timer anew (R3). A loss probe is to be planned anew
// as well.
func (p *Path) RestartT3(now time.Time) { p.T3 = now.Add(p.RTO.Value()); p.Tail.stop() }

// StopT3 stops the retransmission timer (R2), and with it the wait for a loss probe.
func (p *Path) StopT3() { p.T3 = time.Time{}; p.Tail.stop() }

// Pause ends an occasion to send. Max.Burst counts from one to the next (§6.1 D). A chunk
// marked for a loss probe may have gone elsewhere, since the path failed meanwhile.
func (p *Path) Pause() {
	p.Burst = 0
	if p.InFlight == 0 && !p.T3.IsZero() {
		p.StopT3()
		p.Tail.Answered()
	}
}

// Sent notes that DATA leaves now.
func (p *Path) Sent(now time.Time) {
	if p.Tail.Probing {
		p.Tail.gap += now.Sub(p.LastData)
	}
	p.LastData, p.Decayed = now, 0
}

// Time begins a round-trip measurement with a chunk sent for the first time,
// unless one is under way.
func (p *Path) Time(now time.Time, tsn wire.TSN) {
	if !p.Timing {
		p.Timing, p.TimedTSN, p.TimedAt = true, tsn, now
	}
}

// Untime gives up the measurement if the retransmission of tsn makes it
// ambiguous (Karn's algorithm, RFC 9260 §6.3.1 C5).
func (p *Path) Untime(tsn wire.TSN) {
	if p.Timing && tsn.LessEq(p.TimedTSN) {
		p.Timing = false
	}
}

// Window is how many more bytes of DATA chunks may leave now: what the congestion
// window permits, and after a timeout one packet.
func (p *Path) Window() int {
	if p.Alone && p.InFlight > 0 || !p.Hold.IsZero() {
		return 0
	}
	return p.CC.Window() - p.InFlight
}

// Measured completes the round-trip measurement under way.
func (p *Path) Measured(now time.Time) {
	p.Timing = false
	p.RTT = max(now.Sub(p.TimedAt), 0)
	if p.MinRTT == 0 || p.RTT < p.MinRTT {
		p.MinRTT = p.RTT
	}
	p.RTO.Measure(p.RTT)
}

// Decay lets the congestion window decay for the time that nothing was sent, once
// for each RTO (RFC 9260 §7.2.1).
func (p *Path) Decay(now time.Time) {
	if p.LastData.IsZero() || p.InFlight > 0 {
		return
	}
	rto, idle := p.RTO.Value(), now.Sub(p.LastData)
	periods := max((idle-p.Decayed)/rto, 0)
	p.Decayed += periods * rto
	for range min(periods, maxDecay) {
		p.CC.OnIdle(now, idle)
	}
}

// maxDecay bounds the work after a long idle time: 32 halvings leave nothing of
// any window.
const maxDecay = 32

// Shift moves all times of the path by d, because the clock was set.
func (p *Path) Shift(d time.Duration) {
	for _, t := range []*time.Time{&p.T3, &p.Hold, &p.TimedAt, &p.LastData, &p.HeardAt, &p.Heartbeat.At, &p.Heartbeat.Expires, &p.Heartbeat.SentAt,
		&p.Discovery.At, &p.Discovery.SentAt, &p.Discovery.deaf} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
}
