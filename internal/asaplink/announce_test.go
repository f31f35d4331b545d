package asaplink_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/internal/multicast/multicasttest"
	"github.com/rserpool/rserpool/rserpool"
)

// An agent that knows nobody waits for an announcement, and goes to the next registrar
// when that one is gone (RFC 5352 §3.6).
func TestAgentDiscovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, wire := asaplinktest.NewWorld(t), multicasttest.Network{}
		host := func(n int) multicast.Network {
			return wire.Host(multicasttest.Ethernet(n+1, "eth0", asaplinktest.IP(n).String()))
		}
		announced, err := asaplink.ReadAnnouncements(nil, nil, &core.ProfileFast)
		require.NoError(t, err)
		require.Len(t, announced.Groups, 2, "IPv4 and IPv6, RFC 5352 §8.4")
		announced.Network = host(9)
		rec := &recorder{}
		a, err := asaplink.Start(&asaplink.Config{
			Core: core.Config{Profile: core.ProfileFast}, Stack: w.Stack(9), OnEvent: rec.add, Announcements: announced,
		})
		require.NoError(t, err)
		defer a.Close()
		resolve(a)
		time.Sleep(time.Second)
		require.Empty(t, rec.kinds())

		announce := func(n int) {
			c, err := multicast.Open(&multicast.Config{Groups: announced.Groups, Send: true, Network: host(n)})
			require.NoError(t, err)
			defer c.Close()
			c.Send(func(local []netip.Addr) []byte {
				b, err := asap.Marshal(&asap.ServerAnnounce{Server: rserpool.RegistrarID(n), Transports: []rserpool.Transport{
					{Protocol: rserpool.ProtoSCTP, Port: asap.Port, Addrs: local}}})
				require.NoError(t, err)
				return b
			})
			time.Sleep(100 * time.Millisecond)
		}
		first := w.Registrar(1)
		announce(1)
		require.Equal(t, []core.EventKind{core.EventHome, core.EventResolved}, rec.kinds())
		require.Equal(t, 1, first.Associations())
		time.Sleep(10 * time.Second) // the announcement is outdated, the association lives
		require.Equal(t, 1, first.Associations())

		first.Close()
		second := w.Registrar(2)
		time.Sleep(time.Second)
		resolve(a)
		announce(2)
		require.Equal(t, 1, second.Associations())
		require.Contains(t, rec.kinds(), core.EventHomeLost)
	})
}
