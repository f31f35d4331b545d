package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.4 KA1, KA2: answered on the same association with handle and
// identifier; anything but this element is ignored.
func TestKeepAliveAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		ka     asap.EndpointKeepAlive
		answer bool
	}{
		{"RFC 5352 form", asap.EndpointKeepAlive{Server: 1, Handle: pool}, true},
		{"rsplib form", asap.EndpointKeepAlive{Server: 1, Handle: pool, HasPEID: true, PEID: 7}, true},
		{"other element", asap.EndpointKeepAlive{Server: 1, Handle: pool, HasPEID: true, PEID: 8}, false},
		{"other pool", asap.EndpointKeepAlive{Server: 1, Handle: "Other"}, false},
		{"other pool wants to be home", asap.EndpointKeepAlive{Server: 1, Home: true, Handle: "Other"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, home := registered(t, core.Config{Registrars: regs(1)})
			accepted := r.e.HandleAccepted(r.now, reg(9), nil)
			for _, l := range []core.LinkID{home, accepted} {
				r.message(l, &c.ka)
				if !c.answer {
					require.Empty(t, r.take())
					continue
				}
				o := r.one(core.OutputSend)
				require.Equal(t, l, o.Link)
				require.Equal(t, &asap.EndpointKeepAliveAck{Handle: pool, PEID: 7}, o.Message)
			}
		})
	}
}

// An element that has left its pool does not claim to be there.
func TestKeepAliveAfterDeregistration(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.e.Deregister(r.now, pool, 7)
	r.take()
	r.message(home, &asap.EndpointKeepAlive{Server: 1, Handle: pool})
	require.Empty(t, r.take())
	r.message(home, &asap.DeregistrationResponse{Handle: pool, PEID: 7})
	r.message(home, &asap.EndpointKeepAlive{Server: 1, Handle: pool})
	require.Empty(t, r.take())
}

// RFC 5352 §3.4 KA2.4: a keep-alive with H makes its sender the home registrar,
// whether it answers on the old association or comes on a new one.
func TestKeepAliveHomeChange(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.message(home, &asap.EndpointKeepAlive{Server: 0x11, Handle: pool})
	r.take()
	require.Equal(t, rserpool.RegistrarID(0x11), r.takeEvents()[0].Server)

	other := r.e.HandleAccepted(r.now, reg(2), []netip.Addr{netip.MustParseAddr("10.0.0.100")})
	r.message(other, &asap.EndpointKeepAlive{Server: 0x22, Home: true, Handle: pool})
	require.Equal(t, []string{"send 2 ENDPOINT_KEEP_ALIVE_ACK", "close 1"}, texts(r.take()))
	evs := r.takeEvents()
	require.Len(t, evs, 1)
	require.Equal(t, core.EventHome, evs[0].Kind)
	require.Equal(t, rserpool.RegistrarID(0x22), evs[0].Server)
	require.Equal(t, reg(2), evs[0].Registrar)

	// The registration goes on there when its time comes.
	r.advance(5 * time.Minute)
	require.Contains(t, sent(r.take(), other), "REGISTRATION")
}

// The home registrar died, the element is hunting; the registrar that took over
// finds it first.
func TestKeepAliveDuringHunt(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(3)})
	r.advance(time.Minute)
	r.e.HandleLost(r.now, home, errGone)
	require.NotEmpty(t, r.dials())
	taker := r.e.HandleAccepted(r.now, reg(2), nil)
	r.message(taker, &asap.EndpointKeepAlive{Server: 0x22, Home: true, Handle: pool})
	var closed int
	for _, o := range r.take() {
		if o.Kind == core.OutputClose {
			closed++
		}
	}
	require.Equal(t, core.MaxHuntDials, closed, "what was being dialed is given up")
	require.Contains(t, r.kinds(), core.EventHome)
}

// A keep-alive without H from another registrar (it checks a report) changes
// nothing, and its association goes when it stays silent.
func TestKeepAliveFromStranger(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	other := r.e.HandleAccepted(r.now, reg(2), nil)
	r.message(other, &asap.EndpointKeepAlive{Server: 0x22, Handle: pool})
	require.Equal(t, []string{"ENDPOINT_KEEP_ALIVE_ACK"}, sent(r.take(), other))
	require.Empty(t, r.takeEvents())
	r.advance(9 * time.Second)
	require.Empty(t, r.take())
	r.advance(time.Second)
	require.Equal(t, []string{"close 2"}, texts(r.take()))
	r.message(home, &asap.EndpointKeepAlive{Server: 0x11, Handle: pool})
	require.Len(t, r.take(), 1)
}

// Z5: with KnownOnly a stranger cannot become the home registrar.
func TestZ5RogueRegistrarNotAdopted(t *testing.T) {
	r, _ := registered(t, core.Config{Registrars: regs(2), KnownOnly: true})
	rogue := r.e.HandleAccepted(r.now, reg(66), nil)
	r.message(rogue, &asap.EndpointKeepAlive{Server: 0x66, Home: true, Handle: pool})
	require.Equal(t, []string{"send 3 ENDPOINT_KEEP_ALIVE_ACK"}, texts(r.take()))
	require.Empty(t, r.takeEvents())

	known := r.e.HandleAccepted(r.now, reg(2), nil)
	r.message(known, &asap.EndpointKeepAlive{Server: 0x22, Home: true, Handle: pool})
	require.Contains(t, texts(r.take()), "close 1")
	require.Equal(t, []core.EventKind{core.EventHome}, r.kinds())
}

// Only so many associations that others opened are kept; the home registrar's is
// never the one to go.
func TestAcceptedLinksBounded(t *testing.T) {
	r, _ := registered(t, core.Config{Registrars: regs(1)})
	home := r.e.HandleAccepted(r.now, reg(2), nil)
	r.message(home, &asap.EndpointKeepAlive{Server: 0x22, Home: true, Handle: pool})
	r.take()
	open := map[core.LinkID]bool{}
	for range 100 {
		r.now = r.now.Add(time.Millisecond)
		open[r.e.HandleAccepted(r.now, reg(66), nil)] = true
		for _, o := range r.take() {
			require.Equal(t, core.OutputClose, o.Kind)
			require.NotEqual(t, home, o.Link)
			delete(open, o.Link)
		}
	}
	require.Len(t, open, 16)
	r.message(home, &asap.EndpointKeepAlive{Server: 0x22, Handle: pool})
	require.Len(t, r.take(), 1)
}

// RFC 5352 §3.3: only the home registrar answers requests; what others say is
// not believed.
func TestAcceptedLinkCannotAnswer(t *testing.T) {
	r, _ := registered(t, core.Config{Registrars: regs(1)})
	r.e.Resolve(r.now, pool, 0)
	r.take()
	other := r.e.HandleAccepted(r.now, reg(66), nil)
	r.message(other, &asap.HandleResolutionResponse{Handle: pool, Elements: []rserpool.PoolElement{element(66)}})
	require.Empty(t, r.takeEvents())
	r.message(other, &asap.DeregistrationResponse{Handle: pool, PEID: 7})
	require.Empty(t, r.take())
}
