package registrar

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Announcements says how a registrar is announced by multicast (RFC 5352 §3.6,
// RFC 5353 §3.1). The zero value announces it on all interfaces.
type Announcements struct {
	// Interfaces are the names of the interfaces to use, also of those that do not
	// exist yet. Empty: all that are up, are capable of multicast and have one of the
	// addresses of the stack; the loopback interface only if the stack has no others.
	Interfaces []string
	// TTL is how many routers announcements pass, 1 to 255. 0: 30.
	TTL int
	// ASAP and ENRP are the groups, `GROUP:PORT`, for elements and users, and for
	// registrars. Empty: those of the profile.
	ASAP, ENRP []string

	network multicast.Network // for tests
}

// channels are the multicast channels; their zero value does nothing.
type channels struct{ asap, enrp *multicast.Conn }

// groups reads the groups of a channel.
func groups(list []string, ofProfile string) ([]netip.AddrPort, error) {
	if len(list) == 0 {
		list = strings.Fields(ofProfile)
	}
	gs, err := multicast.ParseGroups(list)
	if err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	return gs, nil
}

// groups returns those of the two channels; none without announcements.
func (c *Config) groups() (asap, enrp []netip.AddrPort, err error) {
	if c.Announce == nil {
		return nil, nil, nil
	}
	p := c.profile()
	if asap, err = groups(c.Announce.ASAP, p.ASAPGroups); err == nil {
		enrp, err = groups(c.Announce.ENRP, p.ENRPGroups)
	}
	return asap, enrp, err
}

// Groups returns the multicast groups in which the registrar is announced, with their UDP
// ports; none if it is not.
func (r *Registrar) Groups() (asap, enrp []netip.AddrPort) {
	asap, enrp, _ = r.cfg.groups() // New has checked them
	return asap, enrp
}

// asapEndpoint is what is announced to elements and users. Without a UDP port the usual one
// is meant; rsplib does not know the parameter that has it, which is no reason to send it for
// nothing.
func (r *Registrar) asapEndpoint() rserpool.Transport {
	t := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: r.cfg.asapPort(), UDPPort: r.stack.UDPPort()}
	if r.secured() {
		t.Port = r.cfg.asapTLSPort()
	}
	if t.UDPPort == sctp.DefaultUDPPort {
		t.UDPPort = 0
	}
	return t
}

// openChannels joins the groups. What is heard at once waits until both are there.
func (r *Registrar) openChannels() error {
	asap, enrp, err := r.cfg.groups()
	if err != nil || r.cfg.Announce == nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.channels.asap, err = r.openChannel(core.ASAP, asap, r.cfg.asapPort()); err != nil {
		return err
	}
	r.channels.enrp, err = r.openChannel(core.ENRP, enrp, r.cfg.enrpPort())
	return err
}

// openChannel joins the groups of a channel. Announcements come from the UDP port that has
// the number of the SCTP port, if that can be had: rsplib dials where they come from.
func (r *Registrar) openChannel(ch core.Channel, groups []netip.AddrPort, port uint16) (*multicast.Conn, error) {
	a := r.cfg.Announce
	var sources []netip.Addr
	for _, at := range r.stack.LocalAddrs() {
		sources = append(sources, at.Addr().WithZone(""))
	}
	c, err := multicast.Open(&multicast.Config{
		Groups: groups, Interfaces: a.Interfaces, TTL: a.TTL, Network: a.network,
		Send: true, Sources: sources, SourcePort: port,
		Receive: func(d multicast.Datagram) {
			r.input(func(now time.Time) { r.core.Heard(now, ch, d.From, d.Data) })
		},
		OnChange: func(names []string) {
			r.log.Info("announcing", zap.Stringer("channel", ch), zap.Strings("interfaces", names))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("registrar: announcements: %w", err)
	}
	return c, nil
}

// send carries out a Multicast action without waiting.
func (c *channels) send(act core.Action) {
	conn := c.enrp
	if act.Channel == core.ASAP {
		conn = c.asap
	}
	if conn != nil {
		conn.Send(func(local []netip.Addr) []byte { return act.For(local).AppendTo(nil) })
	}
}

// close leaves the groups. The caller does not hold mu: who hears may wait for it.
func (c *channels) close() {
	for _, conn := range []*multicast.Conn{c.asap, c.enrp} {
		if conn != nil {
			_ = conn.Close() // cannot fail
		}
	}
}
