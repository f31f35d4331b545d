//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// pathLog follows what an association says of its paths.
type pathLog struct {
	changes chan pathChange
}

type pathChange struct {
	path  netip.Addr
	state sctp.PathState
	at    time.Time
}

// watchPaths reads the notifications of an association until it ends.
func watchPaths(ctx context.Context, a *sctp.Association) *pathLog {
	l := &pathLog{make(chan pathChange, 64)}
	go func() {
		for {
			ev, err := a.NextEvent(ctx)
			if err != nil {
				return
			}
			if p, ok := ev.(sctp.PathChange); ok {
				l.changes <- pathChange{p.Path.Addr(), p.State, time.Now()}
			}
		}
	}()
	return l
}

// becomes waits until the path to ip has come into a state after a time, and returns
// when. Changes before that may be there: a busy machine is late with answers.
func (l *pathLog) becomes(t testing.TB, ip string, state sctp.PathState, after time.Time, limit time.Duration) time.Time {
	t.Helper()
	late := time.After(limit)
	for {
		select {
		case c := <-l.changes:
			if c.path == netip.MustParseAddr(ip) && c.state == state && c.at.After(after) {
				return c.at
			}
		case <-late:
			require.FailNow(t, "path did not change", "%s is not %v after %v", ip, state, limit)
		}
	}
}

// traffic is how many packets have crossed a cable so far: from the machine, and to
// it.
func traffic(t testing.TB, n int, network string) (from, to int) {
	t.Helper()
	out := rig(t, "ns", "ip", "-s", "-j", "link", "show", "dev", cable(n, network))
	var links []struct {
		Stats struct {
			Rx, Tx struct{ Packets int }
		} `json:"stats64"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &links), out)
	require.Len(t, links, 1)
	return links[0].Stats.Rx.Packets, links[0].Stats.Tx.Packets
}

// carries waits until a cable carries data in both directions, which heartbeats
// alone would not do so often, and returns when.
func carries(t testing.TB, n int, network string, limit time.Duration) time.Time {
	t.Helper()
	from, to := traffic(t, n, network)
	var then time.Time
	require.Eventually(t, func() bool {
		f, o := traffic(t, n, network)
		ok := f-from > 10 && o-to > 10
		from, to, then = f, o, time.Now()
		return ok
	}, limit, 250*time.Millisecond, "network %s does not carry data in both directions", network)
	return then
}

// mixed is one address of each family, on different networks.
func mixed(v4, v6 []string) []string { return []string{v4[0], v6[1]} }

// An outage is a cable of network a that is pulled in mid-transfer and put back.
type outage struct {
	role    string // ours
	timers  profile
	seconds int           // of transfer
	limit   time.Duration // not how long it should be felt, but how long it may be on a busy machine
}

// A link is pulled in mid-transfer, at either end, and put back: no message is lost
// or comes twice, the data moves to the other path and returns to the primary one.
// How long that takes with which timers is in the log.
func TestLinkPulledAndPutBack(t *testing.T) {
	t.Parallel()
	// The longest first, and this file before others, so that the run does not wait for
	// them at its end.
	rfc, quick := outage{timers: rfcTimers, seconds: 150, limit: 80 * time.Second}, outage{timers: quickFailover, seconds: 30, limit: 8 * time.Second}
	fast, fastest := outage{timers: fastTimers, seconds: 12, limit: 8 * time.Second}, outage{timers: fastFailover, seconds: 12, limit: 8 * time.Second}
	for _, c := range []struct {
		outage
		role   string
		atPeer bool // whose cable
		family string
		below  layer
	}{
		{rfc, client, true, "IPv4", udp},
		{rfc, server, false, "IPv4", udp},
		{fast, client, true, "IPv4", udp},
		{fast, server, true, "IPv4", udp},
		{fast, client, false, "IPv4", udp},
		{fast, server, false, "IPv4", udp},
		{fast, client, true, "IPv6", udp},
		{fast, server, false, "IPv6", udp},
		{fast, client, false, "IPv4 on a, IPv6 on b", udp},
		{fast, server, true, "IPv4 on a, IPv6 on b", udp},
		{fast, client, true, "IPv4", rawIP},
		{fast, server, false, "IPv6", rawIP},
		{fastest, client, true, "IPv4", udp},
		{fastest, server, false, "IPv4", udp},
		{quick, client, true, "IPv4", udp},
		{quick, server, false, "IPv4", udp},
	} {
		where := map[bool]string{true: "at the peer", false: "at our end"}[c.atPeer]
		t.Run(c.family+" "+string(c.below)+", "+c.timers.name+", we are the "+c.role+", link pulled "+where, func(t *testing.T) {
			t.Parallel()
			k, n := newKernel(t), newNode(t)
			mine, theirs := n.both(), k.both()
			switch c.family {
			case "IPv6":
				mine, theirs = n.both6(), k.both6()
			case "IPv4 on a, IPv6 on b":
				mine, theirs = mixed(mine, n.both6()), mixed(theirs, k.both6())
			}
			k.sysctl(t, c.timers.guest...)
			k.speak(t, c.below)
			pulled := n
			if c.atPeer {
				pulled = node(k)
			}
			o := c.outage
			o.role = c.role
			o.run(t, stackOn(t, n.layer(t, c.below, mine...)), k, mine, theirs, pulled)
		})
	}
}

func TestLinkPulledAndPutBackWithUsrsctp(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		n, u := newNode(t), newUsrsctp(t)
		o := outage{role: role, timers: fastTimers, seconds: 15, limit: 8 * time.Second}
		pulled := map[string]node{client: u.node, server: n}[role]
		o.run(t, n.stack(t, n.both()...), u, n.both(), u.both(), pulled)
	})
}

// run pulls the cable of a node or guest during a transfer between our stack and the
// opponent.
func (o outage) run(t *testing.T, s *sctp.Stack, them opponent, mine, theirs []string, pulled node) {
	ctx := within(t, time.Duration(o.seconds)*time.Second+time.Minute)
	const rate = 100
	x := sized(rate * o.seconds)
	x.rate, x.fast = rate, true
	a, p := x.meet(ctx, t, o.role, s, &o.timers.ours, them, mine, theirs)
	require.Len(t, a.Paths(), 2)
	paths := watchPaths(ctx, a)
	e := x.begin(ctx, a)
	e.reaches(t, rate, 10*time.Second)
	carries(t, pulled.n, "a", 5*time.Second)

	out := time.Now()
	pulled.link(t, "a", false)
	dead := paths.becomes(t, theirs[0], o.timers.gone, out, 100*time.Second)
	time.Sleep(time.Second)
	in := time.Now()
	pulled.link(t, "a", true)
	alive := paths.becomes(t, theirs[0], sctp.PathActive, in, 100*time.Second)
	back := carries(t, pulled.n, "a", 100*time.Second)
	require.Less(t, e.received.Load(), int64(x.send), "the transfer was too short to see the path come back")

	e.wait(t)
	silence := gap(t, x.finish(ctx, t, o.role, a, p))
	t.Logf("recovery with %s: nothing received for %.2f s by us, %.2f s by the peer; "+
		"path left after %.2f s; put back: answers after %.2f s, carries data after %.2f s; %+v",
		o.timers.name, e.gap.Seconds(), silence.Seconds(), dead.Sub(out).Seconds(),
		alive.Sub(in).Seconds(), back.Sub(in).Seconds(), a.Stats())
	require.Less(t, e.gap, o.limit)
	require.Less(t, silence, o.limit)
}
