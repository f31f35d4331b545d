package core

import (
	"net/netip"
	"time"
)

// The UDP encapsulation port of a path (RFC 6951 §5.1) is the port of its Remote; 0
// means that packets to it are not encapsulated. It comes from the user or with the
// packet that opened the association, and follows the source port of packets with a
// valid tag (§5.4, see learn). An INIT, which cannot have one, changes nothing and is
// refused if its port is another (draft-tuexen-tsvwg-sctp-udp-encaps-cons §4).

// SetEncapsPort sets the UDP port that packets to an address of the peer are sent to,
// 0 for none (RFC 6951 §6.1). The next packet from there teaches it anew. Errors:
// ErrNoPath, or why the association ended.
func (a *Association) SetEncapsPort(now time.Time, addr netip.Addr, port uint16) error {
	p, err := a.find(addr)
	if err != nil {
		return err
	}
	a.read(now)
	p.Remote = netip.AddrPortFrom(p.Remote.Addr(), port)
	return nil
}
