package sctp

import (
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/rserpool/rserpool/sctp/core"
)

// check says which value of the configuration cannot be meant, as a *ParameterError;
// k is c with the defaults filled in.
func (c *Config) check(k *core.Config) error {
	if c == nil {
		return nil
	}
	if c.RTOMax != 0 && c.RTOMax < k.RTOMin {
		return &ParameterError{Name: "RTO.Max", Value: c.RTOMax, Min: k.RTOMin, Max: "24h"}
	}
	for _, n := range []struct {
		name       string
		value, top int
		low        int
	}{
		{"MTU", c.MTU, maxMTU, minMTU}, {"Backlog", c.Backlog, math.MaxInt32, 1}, {"EventQueue", c.EventQueue, math.MaxInt32, 1},
		{"PotentiallyFailed.Max.Retrans", c.PFMaxRetrans, math.MaxInt32, 0},
	} {
		if n.value != 0 && (n.value < n.low || n.value > n.top) {
			return &ParameterError{Name: n.name, Value: n.value, Min: n.low, Max: n.top}
		}
	}
	given := *k
	if !c.PrimarySwitchover || c.PrimaryMaxRetrans == 0 {
		given.PrimarySwitchover, given.PrimaryMaxRetrans = false, 0 // the machine takes the least
	}
	return given.Check()
}

// check says which value of the configuration cannot be meant.
func (c *StackConfig) check() error {
	for _, ip := range c.ListenAddrs {
		if !ip.IsValid() || ip.IsMulticast() || ip.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return &net.AddrError{Err: "not an address to listen on", Addr: ip.String()}
		}
	}
	for i, k := range c.Carriers {
		if k == nil {
			return &ParameterError{Name: fmt.Sprintf("Carriers[%d]", i), Value: k, Min: "a carrier", Max: "a carrier"}
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"UDPRecvBuffer", c.UDPRecvBuffer}, {"UDPSendBuffer", c.UDPSendBuffer},
		{"MaxAssociations", c.MaxAssociations},
	} {
		if n.value < 0 || n.value > math.MaxInt32 {
			return &ParameterError{Name: n.name, Value: n.value, Min: 0, Max: math.MaxInt32}
		}
	}
	return nil
}
