package registrar_test

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/internal/multicast/multicasttest"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// announcing starts registrars that know no address, on the hosts of these numbers.
func (s *scope) announcing(wire *multicasttest.Network, hosts ...int) {
	s.T.Helper()
	s.adapt = func(i int, c *registrar.Config) {
		c.Peers, c.Announce = nil, &registrar.Announcements{}
		c.Announce.SetNetwork(wire.Host(multicasttest.Ethernet(i+1, "eth0", asaplinktest.IP(i).String())))
	}
	s.start(hosts...)
}

// Registrars that know no address find each other by their announcements. One that is
// started later takes one of the others as its mentor, so that it has the handlespace when
// it begins, before the time is over that it would wait for a mentor.
func TestAnnouncedScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, wire := newScope(t, 4), &multicasttest.Network{}
		var heard sync.Map
		groups, err := multicast.ParseGroups([]string{"224.0.1.185:3863", "224.0.1.185:9901"})
		require.NoError(t, err)
		ears, err := multicast.Open(&multicast.Config{
			Groups: groups, Network: wire.Host(multicasttest.Ethernet(9, "eth0", "10.0.0.99")),
			Receive: func(d multicast.Datagram) { heard.Store(d.Group.String()+" "+d.From.String(), slices.Clone(d.Data)) },
		})
		require.NoError(t, err)
		defer ears.Close()

		s.announcing(wire, 1, 2, 3)
		s.ready()
		within(t, 3*time.Second, func() bool {
			for _, r := range s.up {
				if active(r) != 2 {
					return false
				}
			}
			return true
		}, "all know each other")
		within(t, 3*time.Second, func() bool {
			_, ok := heard.Load("224.0.1.185:3863 10.0.0.1:3863")
			return ok
		}, "announced from the ASAP port")
		b, _ := heard.Load("224.0.1.185:3863 10.0.0.1:3863")
		m, err := asap.Decode(b.([]byte))
		require.NoError(t, err)
		require.Equal(t, []rserpool.Transport{{Protocol: rserpool.ProtoSCTP, Port: 3863, Addrs: []netip.Addr{asaplinktest.IP(1)}}},
			m.(*asap.ServerAnnounce).Transports, "one transport, and the UDP port only if it is not the usual one")
		b, ok := heard.Load("224.0.1.185:9901 10.0.0.1:9901")
		require.True(t, ok)
		p, err := enrp.Decode(b.([]byte))
		require.NoError(t, err)
		require.Equal(t, asaplinktest.IP(1), p.(*enrp.Presence).Server.Transport.Addrs[0])

		s.element(7)
		within(t, time.Second, func() bool { return s.agree(1) }, "the element everywhere")
		begin := time.Now()
		s.announcing(wire, 4)
		<-s.up[4].Ready()
		require.Less(t, time.Since(begin), core.ProfileFast.MentorTimeout/2)
		require.Len(t, homes(s.up[4]), 1)
	})
}

// active counts the peers of a registrar.
func active(r *registrar.Registrar) (n int) {
	for _, p := range r.Snapshot().Peers {
		if p.State == "active" && p.Connected {
			n++
		}
	}
	return n
}

func TestAnnouncementsAreChecked(t *testing.T) {
	for _, a := range []registrar.Announcements{
		{ASAP: []string{"10.0.0.1:3863"}}, {ENRP: []string{"239.0.0.51"}}, {TTL: 300},
	} {
		_, err := registrar.New(&registrar.Config{Stack: stack(t), Announce: &a})
		require.Error(t, err)
	}
	r, err := registrar.New(&registrar.Config{Stack: stack(t), Announce: &registrar.Announcements{
		Interfaces: []string{"none"}, ASAP: []string{"239.0.0.50:3899"}}, Profile: core.ProfileRsplib})
	require.NoError(t, err)
	defer r.Close()
	asap, enrp := r.Groups()
	require.Equal(t, "239.0.0.50:3899", asap[0].String())
	require.Equal(t, "239.0.0.51:9901", enrp[0].String())
	r, err = registrar.New(&registrar.Config{Stack: stack(t)})
	require.NoError(t, err)
	defer r.Close()
	asap, _ = r.Groups()
	require.Empty(t, asap)
	require.Equal(t, "224.0.1.185:3863", strings.Fields(core.ProfileDefault.ASAPGroups)[0])
}
