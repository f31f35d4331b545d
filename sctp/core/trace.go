package core

import (
	"net/netip"

	"github.com/rserpool/rserpool/sctp/wire"
)

// Trace is hooks for what happens inside an association; any may be nil. They are
// called in the middle of processing and must not call back into the association.
type Trace struct {
	StateChange  func(from, to State)
	ChunkIn      func(c wire.RawChunk)
	Drop         func(why string)
	Retransmit   func(t wire.TSN, fast bool)
	T3Expired    func(to netip.AddrPort)
	CwndChange   func(to netip.AddrPort, cwnd int)
	PathChange   func(to netip.AddrPort, s PathState)
	SizeChange   func(to netip.AddrPort, size int) // largest SCTP packet for a path
	ProtocolFail func(cause wire.CauseCode, why string)
}

// SetTrace replaces the hooks of Config.Trace, nil for none. It serves associations of
// a Responder, which all begin with the same.
func (a *Association) SetTrace(t *Trace) {
	if t == nil {
		t = &Trace{}
	}
	a.own().Trace = t
}

func (a *Association) drop(why string) {
	a.stats.Dropped++
	if a.cfg.Trace.Drop != nil {
		a.cfg.Trace.Drop(why)
	}
}
