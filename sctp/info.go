package sctp

import "net"

// LocalAddr returns the *Addr of this end: the addresses by which the peer knows it, or,
// as long as that is not settled, those of the stack.
func (a *Association) LocalAddr() net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.local()
}

// local is LocalAddr. The caller holds a.mu.
func (a *Association) local() *Addr {
	ad := &Addr{Port: a.ourPort, UDPPort: a.stack.UDPPort()}
	if a.core != nil {
		ad.IPs = a.core.LocalAddrs()
	}
	if len(ad.IPs) == 0 {
		ad.IPs = a.stack.specificAddrs()
	}
	return ad
}

// RemoteAddr returns the *Addr of the peer: its addresses, that of the primary
// path first, and the UDP port of that one.
func (a *Association) RemoteAddr() net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remote()
}

// remote is RemoteAddr. The caller holds a.mu.
func (a *Association) remote() *Addr {
	ad := &Addr{Port: a.peerPort}
	if a.core == nil {
		return ad
	}
	for i, p := range a.core.PeerAddrs() {
		if i == 0 {
			ad.UDPPort = p.Port()
		}
		ad.IPs = append(ad.IPs, p.Addr())
	}
	return ad
}

// Paths describes the peer's addresses and what is known of the paths to them.
func (a *Association) Paths() []PathInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return nil
	}
	return a.core.Paths()
}

// Stats returns the counters of the association.
func (a *Association) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counted()
}

// Buffered returns how many bytes wait in the send buffer, to be sent or to be
// acknowledged.
func (a *Association) Buffered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return 0
	}
	return a.core.Buffered()
}

// OutStreams returns the number of streams to send on; their identifiers are those
// below it.
func (a *Association) OutStreams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return 0
	}
	return a.core.OutStreams()
}

// InStreams returns the number of streams that the peer may send on.
func (a *Association) InStreams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core == nil {
		return 0
	}
	return a.core.InStreams()
}
