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

// A link is pulled in mid-transfer, at either end, and put back: no message is lost
// or comes twice, the data moves to the other path and returns to the primary one.
// How long that takes with which timers is in the log.
func TestLinkPulledAndPutBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role    string
		timers  profile
		atPeer  bool          // whose cable
		seconds int           // of transfer
		outage  time.Duration // not how long it should be, but how long it may be on a busy machine
		family  string
		below   layer
	}{
		// The longest first, and this file before others, so that the run does not wait
		// for them at its end.
		{client, rfcTimers, true, 150, 80 * time.Second, "IPv4", udp},
		{server, rfcTimers, false, 150, 80 * time.Second, "IPv4", udp},
		{client, fastTimers, true, 12, 8 * time.Second, "IPv4", udp},
		{server, fastTimers, true, 12, 8 * time.Second, "IPv4", udp},
		{client, fastTimers, false, 12, 8 * time.Second, "IPv4", udp},
		{server, fastTimers, false, 12, 8 * time.Second, "IPv4", udp},
		{client, fastTimers, true, 12, 8 * time.Second, "IPv6", udp},
		{server, fastTimers, false, 12, 8 * time.Second, "IPv6", udp},
		{client, fastTimers, false, 12, 8 * time.Second, "IPv4 on a, IPv6 on b", udp},
		{server, fastTimers, true, 12, 8 * time.Second, "IPv4 on a, IPv6 on b", udp},
		{client, fastTimers, true, 12, 8 * time.Second, "IPv4", rawIP},
		{server, fastTimers, false, 12, 8 * time.Second, "IPv6", rawIP},
		{client, fastFailover, true, 12, 8 * time.Second, "IPv4", udp},
		{server, fastFailover, false, 12, 8 * time.Second, "IPv4", udp},
		{client, quickFailover, true, 30, 8 * time.Second, "IPv4", udp},
		{server, quickFailover, false, 30, 8 * time.Second, "IPv4", udp},
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
			pulled := machine(n)
			if c.atPeer {
				pulled = k
			}
			ctx := within(t, time.Duration(c.seconds)*time.Second+time.Minute)
			const rate = 100
			x := sized(rate * c.seconds)
			x.rate = rate
			a, p := x.meet(ctx, t, c.role, stackOn(t, n.layer(t, c.below, mine...)), &c.timers.ours, k, mine, theirs)
			require.Len(t, a.Paths(), 2)
			paths := watchPaths(ctx, a)
			e := x.begin(ctx, a)
			e.reaches(t, rate, 10*time.Second)
			carries(t, pulled.n, "a", 5*time.Second)

			out := time.Now()
			pulled.link(t, "a", false)
			dead := paths.becomes(t, theirs[0], c.timers.gone, out, 100*time.Second)
			time.Sleep(time.Second)
			in := time.Now()
			pulled.link(t, "a", true)
			alive := paths.becomes(t, theirs[0], sctp.PathActive, in, 100*time.Second)
			back := carries(t, pulled.n, "a", 100*time.Second)
			require.Less(t, e.received.Load(), int64(x.send), "the transfer was too short to see the path come back")

			e.wait(t)
			silence := gap(t, x.finish(ctx, t, c.role, a, p))
			t.Logf("recovery with %s: nothing received for %.2f s by us, %.2f s by the peer; "+
				"path left after %.2f s; put back: answers after %.2f s, carries data after %.2f s",
				c.timers.name, e.gap.Seconds(), silence.Seconds(), dead.Sub(out).Seconds(),
				alive.Sub(in).Seconds(), back.Sub(in).Seconds())
			require.Less(t, e.gap, c.outage)
			require.Less(t, silence, c.outage)
			t.Logf("%+v", a.Stats())
		})
	}
}
