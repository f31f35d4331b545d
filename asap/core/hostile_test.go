package core_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

func hostileMessages() []asap.Message {
	pe := element(7)
	policy := pe.Policy
	return []asap.Message{
		&asap.Registration{Handle: pool, Element: pe},
		&asap.Deregistration{Handle: pool, PEID: 7},
		&asap.RegistrationResponse{Handle: pool, PEID: 7},
		&asap.RegistrationResponse{Handle: pool, PEID: 7, Reject: true, Causes: unknownPool},
		&asap.DeregistrationResponse{Handle: pool, PEID: 7},
		&asap.HandleResolution{Handle: pool},
		&asap.HandleResolutionResponse{Handle: pool, Policy: &policy, Elements: []rserpool.PoolElement{pe, pe}},
		&asap.HandleResolutionResponse{Handle: pool, Causes: unknownPool},
		&asap.EndpointKeepAlive{Home: true, Server: 1, Handle: pool},
		&asap.EndpointKeepAlive{Server: 2, Handle: pool, HasPEID: true, PEID: 7},
		&asap.EndpointKeepAliveAck{Handle: pool, PEID: 7},
		&asap.EndpointUnreachable{Handle: pool, PEID: 7},
		&asap.ServerAnnounce{Server: 3, Transports: []rserpool.Transport{reg(9)}},
		&asap.Cookie{Cookie: []byte("x")},
		&asap.CookieEcho{Cookie: []byte("x")},
		&asap.BusinessCard{Handle: pool, Elements: []rserpool.PoolElement{pe}},
		&asap.Error{Causes: unknownPool},
	}
}

// P1, P3: every message cut at every byte: no panic, at most one answer, the
// endpoint goes on.
func TestP1TruncatedMessages(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	for _, m := range hostileMessages() {
		b, err := asap.Marshal(m)
		require.NoError(t, err)
		for n := range b {
			r.e.HandleMessage(r.now, home, b[:n])
			require.LessOrEqual(t, len(r.take()), 1, "%v cut at %d", m, n)
		}
	}
	r.message(home, &asap.EndpointKeepAlive{Server: 1, Handle: pool})
	require.Equal(t, []string{"ENDPOINT_KEEP_ALIVE_ACK"}, sent(r.take(), home))
}

// RFC 5352 §2.2.14: unknown messages and parameters are reported as their type
// says, errors never.
func TestUnknownReported(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.e.HandleMessage(r.now, home, []byte{0x7f, 0, 0, 4}) // 01: stop and report
	m, ok := r.one(core.OutputSend).Message.(*asap.Error)
	require.True(t, ok)
	require.Equal(t, rserpool.CauseUnrecognizedMessage, m.Causes[0].Code)
	for range 3 {
		r.message(home, &asap.Error{Causes: unknownPool})
		r.e.HandleMessage(r.now, home, []byte{byte(asap.TypeError), 0, 0, 3})
	}
	require.Empty(t, r.take(), "no error about an error")
}

// S1: random inputs in random order: no panic, bounded answers, bounded timers.
func TestHostileInputs(t *testing.T) {
	msgs := hostileMessages()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		r := newRig(t, core.Config{Registrars: regs(5), Subscribe: true, Profile: core.ProfileFast})
		links := map[core.LinkID]bool{}
		pick := func() core.LinkID { return core.LinkID(rnd.IntN(len(links)+3) + 1) }
		for range 3000 {
			switch rnd.IntN(12) {
			case 0:
				_, _ = r.e.Register(r.now, registration())
			case 1:
				r.e.Deregister(r.now, pool, 7)
			case 2:
				r.e.Resolve(r.now, pool, time.Duration(rnd.IntN(2000))*time.Millisecond)
			case 3:
				r.e.ReportUnreachable(r.now, pool, rserpool.PEID(rnd.IntN(300)))
			case 4:
				r.e.HandleConnected(r.now, pick(), nil)
			case 5:
				r.e.HandleLost(r.now, pick(), errGone)
			case 6:
				links[r.e.HandleAccepted(r.now, reg(rnd.IntN(9)), nil)] = true
			case 7:
				b, _ := asap.Marshal(msgs[rnd.IntN(len(msgs))])
				b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
				r.e.HandleMessage(r.now, pick(), b)
			case 8:
				r.announce(reg(rnd.IntN(200)))
			case 9:
				r.advance(time.Duration(rnd.IntN(1000)) * time.Millisecond)
			default:
				r.message(pick(), msgs[rnd.IntN(len(msgs))])
			}
			os := r.take()
			require.Less(t, len(os), 200)
			for _, o := range os {
				links[o.Link] = o.Kind != core.OutputClose
			}
			r.takeEvents()
		}
	}
}

func TestZeroLengthMessage(t *testing.T) {
	r, home := registered(t, core.Config{Registrars: regs(1)})
	r.e.HandleMessage(r.now, home, nil)
	r.e.HandleMessage(r.now, 0, nil)
	r.e.HandleAnnounce(r.now, netip.AddrPort{}, nil)
	require.LessOrEqual(t, len(r.take()), 1)
}
