package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/malformed"
	"github.com/rserpool/rserpool/registrar/core"
)

// A hundred thousand messages that are nearly right, half of them from elements and
// users and half from peers: the registrar lives on, its tables stay consistent (the rig
// checks them) and small, and it serves.
func TestMalformedMessages(t *testing.T) {
	g := newRig(t, core.Config{Profile: core.ProfileRsplib, Limits: core.Limits{Peers: 5, ElementDials: 3, Connections: 30}})
	src := malformed.New(1, netip.MustParseAddr("10.0.1.1"))
	partners := map[core.Channel]core.ConnID{core.ASAP: g.asap("10.0.1.1"), core.ENRP: g.enrp("10.0.1.1")}
	for i := range 50_000 {
		if i%500 == 0 {
			g.tick(time.Second)
			g.drain() // with its checks
			require.LessOrEqual(t, len(g.r.PeerStatuses()), 5)
		}
		for channel, b := range [][]byte{core.ASAP: src.ASAP(), core.ENRP: src.ENRP()} {
			if b == nil {
				continue
			}
			channel := core.Channel(channel)
			g.r.Receive(g.now, partners[channel], channel.PPID(), b)
			ended := false
			for a, ok := g.r.PollAction(); ok; a, ok = g.r.PollAction() {
				ended = ended || (a.Kind == core.Abort || a.Kind == core.Close) && a.Conn == partners[channel]
			}
			for _, ok := g.r.PollEvent(); ok; _, ok = g.r.PollEvent() {
			}
			if ended {
				partners[channel] = g.r.Accept(g.now, core.Conn{Channel: channel, Remote: at("10.0.1.1", enrp.Port), Local: local})
			}
		}
	}
	g.out, g.events = nil, nil
	s := g.r.Stats()
	require.Greater(t, s.DecodeErrors, uint64(10_000))
	require.Greater(t, s.Registrations, uint64(100), "some are right")
	user := g.asap("10.0.1.2")
	pe := element(77, "10.0.1.2")
	g.say(user, &asap.Registration{Handle: "serves", Element: pe})
	require.False(t, one[*asap.RegistrationResponse](g, user).Reject)
}
