package multicast

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// DefaultTTL is how many routers a datagram passes, as rsplib has it.
const DefaultTTL = 30

// MaxDatagram is the length of the longest datagram in bytes that is heard. Longer ones
// are dropped: an announcement has a few dozen bytes.
const MaxDatagram = 2048

// Config says where a Conn sends and what it hears.
type Config struct {
	// Groups are the groups with their UDP ports; at least one.
	Groups []netip.AddrPort
	// Interfaces are the names of the interfaces to use, whether they exist yet or not.
	// Empty: all that are up and capable of multicast. The loopback interface is heard
	// then, too; it is sent on only if Sources has its address.
	Interfaces []string
	// Receive is called with each datagram, from several goroutines. The bytes are only
	// valid until it returns. Nil: nothing is heard.
	Receive func(Datagram)
	// Send says that Conn.Send is used.
	Send bool
	// Sources are the addresses that may be sent from. An unspecified one: any of its
	// family that the interface has. Empty: any.
	Sources []netip.Addr
	// SourcePort is the UDP port to send from, if it can be had; otherwise, and with 0,
	// it is any free one.
	SourcePort uint16
	// TTL is the time to live, or hop limit, 1 to 255. 0: DefaultTTL.
	TTL int
	// OnChange is called with the names of the interfaces in use when they have changed.
	// It may be nil.
	OnChange func(names []string)
	// Network is what to use in place of the host's interfaces, in tests.
	Network Network
}

// Datagram is what was heard.
type Datagram struct {
	Group netip.AddrPort
	From  netip.AddrPort
	Data  []byte
}

// ParseGroups reads multicast groups, `GROUP:PORT` each.
func ParseGroups(list []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range list {
		g, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, fmt.Errorf("multicast: %q is not GROUP:PORT", s)
		}
		g = netip.AddrPortFrom(g.Addr().Unmap(), g.Port())
		if err := checkGroup(g); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func checkGroup(g netip.AddrPort) error {
	if !g.Addr().IsMulticast() || g.Port() == 0 || g.Addr().Zone() != "" {
		return fmt.Errorf("multicast: %v is not a multicast group with a port", g)
	}
	return nil
}

func (c *Config) check() error {
	if len(c.Groups) == 0 {
		return errors.New("multicast: no group")
	}
	for _, g := range c.Groups {
		if err := checkGroup(g); err != nil {
			return err
		}
	}
	if c.TTL < 0 || c.TTL > 255 {
		return fmt.Errorf("multicast: TTL %d is not within 1 to 255", c.TTL)
	}
	return nil
}

// wanted reports whether an interface is to be used at all.
func (c *Config) wanted(i *Interface) bool {
	if len(c.Interfaces) > 0 {
		return i.Up && slices.Contains(c.Interfaces, i.Name)
	}
	return i.Up && (i.Multicast || i.Loopback)
}

// anySource reports whether it does not matter which address of a family is sent from.
func (c *Config) anySource(v6 bool) bool {
	return len(c.Sources) == 0 || slices.ContainsFunc(c.Sources, func(a netip.Addr) bool { return a.IsUnspecified() && a.Is6() == v6 })
}

// local returns the addresses of the family at which others on the interface reach
// this host, the one to send from first; none if there is nothing to send there.
func (c *Config) local(i *Interface, v6 bool) []netip.Addr {
	usable := func(a netip.Addr) bool {
		// Without a zone, for which there is no place in an announcement, a link-local
		// address means nothing.
		return a.Is6() == v6 && !a.IsUnspecified() && !a.IsMulticast() && (!v6 || !a.IsLinkLocalUnicast())
	}
	var own []netip.Addr
	for _, a := range i.Addrs {
		if usable(a) && (c.anySource(v6) || slices.Contains(c.Sources, a)) {
			own = append(own, a)
		}
	}
	switch {
	case len(own) == 0:
		return nil
	case i.Loopback && len(c.Interfaces) == 0 && c.anySource(v6):
		return nil
	case c.anySource(v6):
		return own
	}
	// All those that were given are this host's, whatever interface they are on.
	for _, a := range c.Sources {
		if usable(a) && a.IsLoopback() == own[0].IsLoopback() && !slices.Contains(own, a) {
			own = append(own, a)
		}
	}
	return own
}
