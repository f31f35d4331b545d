package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/wire"
)

// maxReason bounds the reason of a user's abort, so that the ABORT fits a packet.
const maxReason = 256

// Abort ends the association at once (RFC 9260 §9.1). The reason, cut to 256
// bytes, travels in a User-Initiated Abort cause.
func (a *Association) Abort(now time.Time, reason []byte) error {
	if a.state == Closed {
		return a.endError()
	}
	reason = reason[:min(len(reason), maxReason)]
	causes := wire.AppendCause(nil, wire.CauseUserAbort, reason)
	a.abort(now, &AbortError{Local: true, Causes: causes}, causes)
	return nil
}

// abort sends an ABORT with these causes and ends the association with err. As
// long as the peer's tag is unknown there is nothing valid to send.
func (a *Association) abort(_ time.Time, err error, causes []byte) {
	a.out = output{}
	if a.id.peerTag != 0 {
		p, c := a.paths.Current(), wire.Abort{Causes: causes}
		a.out.packet(p.Local, p.Remote, lonePacket(a.id.localPort, a.id.peerPort, a.id.peerTag, c.AppendTo))
	}
	a.finish(err)
}

// abortCause ends the association with an error cause of ours.
func (a *Association) abortCause(now time.Time, code wire.CauseCode, info []byte) {
	causes := wire.AppendCause(nil, code, info)
	if a.cfg.Trace.ProtocolFail != nil {
		a.cfg.Trace.ProtocolFail(code, string(info))
	}
	a.abort(now, &AbortError{Local: true, Causes: causes}, causes)
}

// protocolViolation aborts because the peer broke the protocol (RFC 9260
// §3.3.10.13).
func (a *Association) protocolViolation(now time.Time, why string) {
	a.abortCause(now, wire.CauseProtocolViolation, []byte(why))
}

// fail ends the association without a packet: the peer does not answer.
func (a *Association) fail(err error) {
	a.out = output{}
	a.finish(err)
}

// finish enters CLOSED. Messages that are complete stay readable.
func (a *Association) finish(err error) {
	a.setState(Closed)
	a.err = err
	a.timers.stopAll()
	for _, p := range a.paths.All {
		p.InFlight = 0
		p.StopT3()
		p.Heartbeat.At, p.Heartbeat.Expires = time.Time{}, time.Time{}
		p.Hold = time.Time{}
		p.StopDiscovery()
	}
	if err != nil {
		a.giveBackAll(err)
	}
	a.tx = sender{}
	a.hs = nil
	a.tear()
	a.out.chunks = nil
	a.rx.sackNow = false
	a.ev.push(Event{Kind: EventClosed, Err: err})
}

// handleAbort ends the association at the peer's word (RFC 9260 §9.1). Unknown
// causes do not matter: they are passed up raw.
func (a *Association) handleAbort(pkt wire.Packet, c wire.RawChunk) bool {
	var ab wire.Abort
	if ab.Decode(c) != nil || !a.abortTag(pkt, c) {
		a.drop("malformed ABORT")
		return true
	}
	a.out = output{}
	a.finish(&AbortError{Causes: slices.Clone(ab.Causes)})
	return false
}
