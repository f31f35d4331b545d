package main

import (
	"net/netip"
	"slices"

	"github.com/spf13/pflag"

	"github.com/rserpool/rserpool/sctp"
)

// lowerLayer is the flags about what is below SCTP.
type lowerLayer struct {
	ip      bool
	sockets int
}

func (l *lowerLayer) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&l.ip, "ip", false, "speak SCTP directly over IP instead of in UDP (Linux, needs CAP_NET_RAW); the address has no @UDPPORT then")
	f.IntVar(&l.sockets, "sockets", 0, "sockets that share the UDP port, at most 256, -1 for one each processor (default 1)")
}

// stack is the configuration of a stack that is bound to addr; nil: to any address.
func (l *lowerLayer) stack(addr *sctp.Addr) sctp.StackConfig {
	cfg := sctp.StackConfig{RawIP: l.ip, Sockets: l.sockets}
	if addr != nil {
		cfg.ListenAddrs, cfg.UDPPort = addr.IPs, addr.UDPPort
	}
	if l.ip && slices.Equal(cfg.ListenAddrs, []netip.Addr{netip.IPv6Unspecified()}) {
		cfg.ListenAddrs = nil // there is no one raw socket for both families
	}
	return cfg
}
