package sctp

import (
	"net/netip"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// tracer tells what happens inside one association to those who want to know: the
// log, at debug level, and StackConfig.Trace. Nothing that is secret reaches either:
// no verification tag, cookie, key or nonce, and no user data. Its methods are called
// under the lock of the association.
type tracer struct {
	id   uint32
	log  *zap.Logger // nil: nobody reads debug entries
	json *JSONTrace  // nil: none
	seen []pathSeen  // what was told of the paths last
	now  []PathInfo  // reused
}

// pathSeen is what a line about the window of a path holds.
type pathSeen struct {
	remote    netip.AddrPort
	cwnd      int
	srtt, rto time.Duration
}

// trace gives an association a tracer and returns the hooks of its machine, nil if
// nobody wants to know.
func (a *Association) trace(peer *Addr) *core.Trace {
	s := a.stack
	debug := s.debugs()
	if !debug && s.cfg.Trace == nil {
		return nil
	}
	t := &tracer{id: a.id, json: s.cfg.Trace}
	if debug {
		t.log = s.log.With(zap.Uint32("assoc", a.id), zap.Uint16("port", a.ourPort), zap.Stringer("peer", peer))
	}
	a.tracer = t
	if t.json != nil {
		t.json.open(a.id, a.local(), peer, a.dialed)
	}
	return &core.Trace{
		StateChange: t.state, Drop: t.drop, Retransmit: t.retransmit,
		T3Expired: t.t3, PathChange: t.path, ProtocolFail: t.fail,
	}
}

// debugs says whether the log takes messages of the debug level.
func (s *Stack) debugs() bool { return s.log.Core().Enabled(zapcore.DebugLevel) }

func (t *tracer) state(from, to core.State) {
	if t.log != nil {
		t.log.Debug("state", zap.Stringer("from", from), zap.Stringer("to", to))
	}
	if t.json != nil {
		t.json.state(t.id, from.String(), to.String())
	}
}

func (t *tracer) drop(why string) {
	if t.log != nil {
		t.log.Debug("dropped", zap.String("why", why))
	}
	if t.json != nil {
		t.json.text(t.id, "drop", "why", why)
	}
}

func (t *tracer) retransmit(tsn wire.TSN, fast bool) {
	if t.json != nil {
		t.json.retransmit(t.id, tsn, fast)
	}
}

func (t *tracer) t3(to netip.AddrPort) {
	if t.log != nil {
		t.log.Debug("T3-rtx expired", zap.Stringer("path", to))
	}
	if t.json != nil {
		t.json.addr(t.id, "t3", to)
	}
}

func (t *tracer) path(to netip.AddrPort, state core.PathState) {
	if t.log != nil {
		t.log.Debug("path", zap.Stringer("path", to), zap.Stringer("state", state))
	}
	if t.json != nil {
		t.json.path(t.id, to, state.String())
	}
}

// fail tells of an ABORT by this end. What the cause quotes of the peer's packets is
// left out; only the words of a protocol violation are our own.
func (t *tracer) fail(cause wire.CauseCode, why string) {
	if cause != wire.CauseProtocolViolation {
		why = ""
	}
	if t.log != nil {
		t.log.Debug("protocol violation", zap.Stringer("cause", cause), zap.String("why", why))
	}
	if t.json != nil {
		t.json.fail(t.id, cause.String(), why)
	}
}

// icmp tells of an ICMP message, which the machine may or may not believe.
func (t *tracer) icmp(to netip.AddrPort, kind core.ICMPKind, mtu int) {
	if t.log != nil {
		t.log.Debug("ICMP", zap.Stringer("path", to), zap.Stringer("kind", kind))
	}
	if t.json != nil {
		t.json.icmp(t.id, to, kind.String(), mtu)
	}
}

// received tells of a packet, before anything of it is believed.
func (t *tracer) received(in *core.Inbound, pkt wire.Packet) {
	if t.json != nil && !t.json.o.OmitPackets {
		t.json.packet(t.id, "in", in.Remote, in.ECN, pkt)
	}
}

// sent tells of the packets of a Transmit.
func (t *tracer) sent(x *core.Transmit) {
	if t.json == nil || t.json.o.OmitPackets {
		return
	}
	d := carrier.Datagram{Data: x.Data, SegmentSize: x.SegmentSize}
	for b := range d.Segments() {
		if pkt, err := wire.ParseUnchecked(b); err == nil {
			t.json.packet(t.id, "out", x.Remote, x.ECN, pkt)
		}
	}
}

// windows tells of the paths whose congestion window or round-trip time has changed
// since it was called last.
func (t *tracer) windows(c *core.Association) {
	if t.json == nil {
		return
	}
	t.now = c.AppendPaths(t.now[:0])
	if len(t.seen) != len(t.now) {
		t.seen = make([]pathSeen, len(t.now))
	}
	for i := range t.now {
		p := &t.now[i]
		now := pathSeen{p.Remote, p.Cwnd, p.SRTT, p.RTO}
		if t.seen[i] != now {
			t.seen[i] = now
			t.json.window(t.id, p)
		}
	}
}

// end tells how the association ended.
func (t *tracer) end(err error, sum *Stats) {
	if t.json != nil {
		t.json.end(t.id, err, sum)
	}
}
