package asaplink

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Transport is an address as an SCTP transport parameter. The default UDP port is
// left out, as peers that do not know our UDP Port parameter assume it anyway.
func Transport(a *sctp.Addr) rserpool.Transport {
	t := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: a.Port, UDPPort: a.UDPPort, Addrs: a.IPs}
	if t.UDPPort == sctp.DefaultUDPPort {
		t.UDPPort = 0
	}
	return t
}

// Addr is the address that an SCTP transport parameter names.
func Addr(t rserpool.Transport) *sctp.Addr {
	a := &sctp.Addr{IPs: t.Addrs, Port: t.Port, UDPPort: t.UDPPort}
	if a.UDPPort == 0 {
		a.UDPPort = sctp.DefaultUDPPort
	}
	return a
}

// Registrars reads configured registrar addresses, `IP[/IP…]:PORT[@UDPPORT]` or
// with host names.
func Registrars(ctx context.Context, list []string) ([]rserpool.Transport, error) {
	var ts []rserpool.Transport
	for _, s := range list {
		as, err := sctp.ResolveAddr(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, a := range as {
			ts = append(ts, Transport(a))
		}
	}
	return ts, nil
}

// SCTPConfig returns cfg, which may be nil, with the parameters of a timer profile
// in place of those that are not set.
func SCTPConfig(p core.TransportProfile, cfg *sctp.Config) *sctp.Config {
	var c sctp.Config
	if cfg != nil {
		c = *cfg
	}
	setIf(&c.RTOInitial, p.RTOInitial)
	setIf(&c.RTOMin, p.RTOMin)
	setIf(&c.RTOMax, p.RTOMax)
	setIf(&c.HeartbeatInterval, p.HeartbeatInterval)
	setIf(&c.SackDelay, p.SackDelay)
	setIf(&c.AssociationMaxRetrans, p.AssociationMaxRetrans)
	setIf(&c.PathMaxRetrans, p.PathMaxRetrans)
	setIf(&c.MaxInitRetransmits, p.MaxInitRetransmits)
	return &c
}

// setIf sets a field that is not set.
func setIf[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// confirmedAddr is the peer of an association with those addresses that it has shown to have
// so far, by the handshake or by an answer (RFC 9260 §5.4): anybody can list the address of
// a registrar that is known.
func confirmedAddr(a *sctp.Association) *sctp.Addr {
	at, _ := a.RemoteAddr().(*sctp.Addr)
	if at == nil {
		return nil
	}
	shown := *at
	shown.IPs = at.IPs[:min(1, len(at.IPs))] // that of the handshake
	for _, p := range a.Paths() {
		if ip := p.Remote.Addr(); p.State != sctp.PathUnconfirmed && !slices.Contains(shown.IPs, ip) {
			shown.IPs = append(slices.Clone(shown.IPs), ip)
		}
	}
	return &shown
}

// localAddrs returns the addresses at which the peer of a sees this end.
func localAddrs(a *sctp.Association) []netip.Addr {
	remote, _ := a.RemoteAddr().(*sctp.Addr)
	local, _ := a.LocalAddr().(*sctp.Addr)
	if remote == nil || local == nil || len(remote.IPs) == 0 {
		return nil
	}
	var ips []netip.Addr
	for _, ip := range local.IPs {
		// The peer cannot reach addresses of another scope (RFC 9260 §5.1.2).
		if ip.IsLoopback() == remote.IPs[0].IsLoopback() && ip.IsLinkLocalUnicast() == remote.IPs[0].IsLinkLocalUnicast() {
			ips = append(ips, ip.WithZone(""))
		}
	}
	if len(ips) == 0 {
		if ip, err := sourceFor(remote.IPs[0]); err == nil {
			ips = append(ips, ip)
		}
	}
	return ips
}

// sourceFor asks the operating system which source address it takes towards ip.
// A connected UDP socket tells, without a packet.
func sourceFor(ip netip.Addr) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, sctp.DefaultUDPPort)))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	u, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, errors.New("asaplink: no local address")
	}
	return u.AddrPort().Addr().Unmap().WithZone(""), nil
}
