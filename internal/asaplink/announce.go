package asaplink

import (
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/multicast"
)

// Announcements say where registrars announce themselves by multicast (RFC 5352 §3.6).
type Announcements struct {
	Groups []netip.AddrPort
	// Interfaces are the names of those to listen on; empty: all.
	Interfaces []string
	// Network is in place of the host's, for tests.
	Network multicast.Network
}

// ReadAnnouncements reads the configuration of elements and users: groups, `GROUP:PORT`, or
// those of the profile if there are none.
func ReadAnnouncements(groups, interfaces []string, p *core.Profile) (*Announcements, error) {
	if len(groups) == 0 {
		groups = strings.Fields(p.ASAPGroups)
	}
	gs, err := multicast.ParseGroups(groups)
	if err != nil {
		return nil, err
	}
	return &Announcements{Groups: gs, Interfaces: interfaces}, nil
}

// discover listens to announcements, if there are to be any.
func (a *Agent) discover(to *Announcements) (err error) {
	if to == nil {
		return nil
	}
	a.channel, err = multicast.Open(&multicast.Config{
		Groups: to.Groups, Interfaces: to.Interfaces, Network: to.Network,
		Receive: func(d multicast.Datagram) {
			a.Do(func(now time.Time, e *core.Endpoint) { e.HandleAnnounce(now, d.From, d.Data) })
		},
		OnChange: func(names []string) {
			a.log.Debug("listening to announcements", zap.Strings("interfaces", names))
		},
	})
	return err
}
