package sctp

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// captureIn gives a received datagram, or those that came in one read, to
// StackConfig.Capture.
func (r *reader) captureIn(now time.Time, d *carrier.Datagram) {
	r.stack.capture(now, r.link, d, false)
}

// captureOut gives datagrams that are about to be written to StackConfig.Capture.
func (s *Stack) captureOut(l *link, ds []carrier.Datagram) {
	now := time.Now()
	for i := range ds {
		s.capture(now, l, &ds[i], true)
	}
}

func (s *Stack) capture(now time.Time, l *link, d *carrier.Datagram, out bool) {
	local, remote := l.end(d.Local), d.Remote
	if l.Overhead() == 0 { // straight in IP: the ports are of our own making
		local, remote = netip.AddrPortFrom(local.Addr(), 0), netip.AddrPortFrom(remote.Addr(), 0)
	}
	for data := range d.Segments() {
		s.cfg.Capture.Capture(capture.Packet{Time: now, Out: out, Local: local, Remote: remote, ECN: d.ECN, Data: data})
	}
}

// end is this end's address and UDP port of a packet. Where the packet does not tell
// the address it is that of the link, if it has one only.
func (l *link) end(local netip.Addr) netip.AddrPort {
	var port uint16
	if len(l.addrs) > 0 {
		port = l.addrs[0].Port()
	}
	if !local.IsValid() && len(l.addrs) == 1 && !l.addrs[0].Addr().IsUnspecified() {
		local = l.addrs[0].Addr()
	}
	return netip.AddrPortFrom(local, port)
}
