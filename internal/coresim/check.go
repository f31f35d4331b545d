package coresim

import (
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// check looks at what must hold after each step. Associations that had no input
// since have not changed.
func (e *End) check() {
	if !e.touched {
		return
	}
	e.touched = false
	cfg := &e.host.Config
	// What counts messages one by one is looked at each time while they are few.
	few := !e.host.w.rarely && e.Buffered()+e.Held() < 40_000
	if e.checks++; few || e.checks%16 == 0 && !e.host.w.rarely || e.checks%1024 == 0 {
		must(e.Verify(), "%v", e)
	}
	closed := e.State() == core.Closed
	switch {
	case e.up > 1, e.Closed > 1, closed != (e.Closed == 1):
		fail("%v: %d times up, %d times closed", e, e.up, e.Closed)
	case e.up == 0 && e.State() >= core.Established:
		fail("%v: nobody was told", e)
	case e.Held() > cfg.RecvBuffer+cfg.RecvBuffer/4+65535:
		fail("%v: the receive buffer of %d bytes overflows", e, cfg.RecvBuffer)
	case e.Buffered() > 2*cfg.SendBuffer+3*maxMessage: // a message of pieces that is begun has one of its own
		fail("%v: the send buffer of %d bytes overflows", e, cfg.SendBuffer)
	}
	par := e.Parameters()
	for _, p := range e.Paths() {
		switch {
		case p.InFlight < 0, p.Cwnd < wire.DataHeaderLen, p.PacketSize > cfg.MTU-20-8, p.PacketSize < 512, p.Errors < 0:
			fail("%v: path %v", e, p.Remote)
		case p.RTO < par.RTOMin, p.RTO > par.RTOMax, p.SRTT < 0, p.RTTVar < 0:
			fail("%v: RTO of path %v", e, p.Remote)
		case closed && p.InFlight != 0:
			fail("%v: in flight on path %v after the end", e, p.Remote)
		}
	}
}

// legal is the changes of state that RFC 9260 §4 and §5.2.4 know, beside those to
// CLOSED, which may come at any time.
var legal = map[[2]core.State]bool{
	{core.Closed, core.CookieWait}:                true,
	{core.Closed, core.Established}:               true, // a valid COOKIE ECHO
	{core.CookieWait, core.CookieEchoed}:          true,
	{core.CookieWait, core.Established}:           true, // the peer's COOKIE ECHO, both opened
	{core.CookieEchoed, core.CookieWait}:          true, // a stale cookie
	{core.CookieEchoed, core.Established}:         true,
	{core.Established, core.ShutdownPending}:      true,
	{core.Established, core.ShutdownReceived}:     true,
	{core.ShutdownPending, core.ShutdownSent}:     true,
	{core.ShutdownPending, core.ShutdownReceived}: true,
	{core.ShutdownSent, core.ShutdownAckSent}:     true, // both shut down
	{core.ShutdownReceived, core.ShutdownAckSent}: true,
	{core.ShutdownPending, core.Established}:      true, // the peer restarted
	{core.ShutdownSent, core.Established}:         true,
	{core.ShutdownReceived, core.Established}:     true,
}

// watchStates checks the changes of state of all associations of a host.
func (h *Host) watchStates() {
	h.Config.Trace = &core.Trace{StateChange: func(from, to core.State) {
		if to != core.Closed && !legal[[2]core.State{from, to}] {
			fail("%s: %v after %v", h.name, to, from)
		}
	}}
}
