//go:build interop

package interop

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// A thousand elements that register again each second, then resolutions as fast as they
// are answered: none is lost, at rsplib's registrar or at ours. What it costs is in the
// log; a guest's kernel is slower than the host's.
func TestRatesBesideRspregistrar(t *testing.T) {
	t.Parallel()
	n := newByHand(t)
	s := n.stack(t, n.addr())
	t.Run("rspregistrar", func(t *testing.T) {
		startRegistrarAt(t, r4, "rates", asapRates, 0x1111, "-loglevel=3", "-endpointkeepalivetransmissioninterval=60000")
		rates(t, n, s, r4.addr(), asapRates, func() time.Duration {
			return cpuOf(t, r4.must(t, "sh", "-c", "cat /proc/$(cat /run/rig/rates.gpid)/stat"))
		})
	})
	t.Run("ours", func(t *testing.T) {
		reg := newNode(t)
		p := startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", reg.addr(), "--profile", "rsplib", "--http", "off")
		p.await(t, "ready", 20*time.Second)
		rates(t, n, s, reg.addr(), asapPort, func() time.Duration {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
			require.NoError(t, err)
			return cpuOf(t, string(b))
		})
	})
}

// cpuOf is the processor time in /proc/PID/stat.
func cpuOf(t testing.TB, stat string) time.Duration {
	t.Helper()
	f := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	require.Greater(t, len(f), 13, stat)
	ticks := 0
	for _, s := range f[11:13] { // user and system
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func rates(t *testing.T, n node, s *sctp.Stack, to string, port int, cpu func() time.Duration) {
	const associations, each, rounds = 10, 100, 5
	var ps []*partner
	for range associations {
		ps = append(ps, n.meet(t, s, to, port, 0, asap.PPID))
	}
	before := cpu()
	begin := time.Now()
	all := func(f func(i int, p *partner)) {
		var wg sync.WaitGroup
		for i, p := range ps {
			wg.Go(func() { f(i, p) })
		}
		wg.Wait()
	}
	for round := range rounds {
		time.Sleep(time.Until(begin.Add(time.Duration(round) * time.Second)))
		all(func(i int, p *partner) {
			for k := range each {
				e := p.element(rserpool.PEID(1+i*each+k), "RoundRobin")
				reg := &asap.Registration{Handle: rserpool.PoolHandle(fmt.Sprintf("Rates%d", k%10)), Element: e}
				_ = p.a.TrySend(&sctp.Message{PPID: p.ppid, Data: reg.AppendTo(nil)})
				if k%10 == 9 {
					for range 10 {
						m, err := asap.Decode(p.next().bytes)
						r, ok := m.(*asap.RegistrationResponse)
						if err != nil || !ok || r.Reject {
							t.Errorf("%v, %v", m, err)
						}
					}
				}
			}
		})
	}
	took := time.Since(begin)
	t.Logf("%d registrations in %.1f s: %.0f µs of processor each", associations*each*rounds, took.Seconds(),
		(cpu()-before).Seconds()*1e6/(associations*each*rounds))

	const questions = 300
	var mu sync.Mutex
	var times []time.Duration
	before, begin = cpu(), time.Now()
	all(func(i int, p *partner) {
		q := (&asap.HandleResolution{Handle: rserpool.PoolHandle(fmt.Sprintf("Rates%d", i)), HasItems: true, Items: 1}).AppendTo(nil)
		var mine []time.Duration
		for range questions {
			asked := time.Now()
			p.send(0, q)
			p.next()
			mine = append(mine, time.Since(asked))
		}
		mu.Lock()
		defer mu.Unlock()
		times = append(times, mine...)
	})
	took = time.Since(begin)
	slices.Sort(times)
	t.Logf("%d resolutions of ten users at once, %.0f a second, p50 %v, p99 %v, %.0f µs of processor each", len(times),
		float64(len(times))/took.Seconds(), times[len(times)/2], times[len(times)*99/100], (cpu()-before).Seconds()*1e6/float64(len(times)))
	require.Len(t, times, associations*questions)
}

// How long rsplib's user waits for the next reply when the element that it talks to
// dies: its kernel takes no notice of ICMP, so that a killed process is a silent one.
// TestOurUserFailsOver measures the same of ours.
func TestRsplibsUserFailsOver(t *testing.T) {
	t.Parallel()
	reg := newNode(t)
	startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", reg.addr(), "--profile", "rsplib", "--http", "off").await(t, "ready", 20*time.Second)
	for i, way := range []string{"killed", "frozen", "unplugged"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			pool := "Over" + strconv.Itoa(i)
			element := func(id int) (node, *process) {
				n := newNode(t)
				p := startNode(t, n.name, bin("rserpool"), "serve", "pingpong", "--pool", pool, "--id", fmt.Sprintf("%x", id),
					"--registrar", fmt.Sprintf("%s:%d", reg.addr(), asapPort), "--listen", fmt.Sprintf("%s@%d", n.addr(), encapPort), "--profile", "rsplib")
				p.await(t, "registered", 20*time.Second)
				return n, p
			}
			n, first := element(0xe001)
			user := r4.start(t, "over"+strconv.Itoa(i), rsplibUser("pingpongclient", pool, reg.addr(), "-interval=100")...)
			awaitPong(t, user, 0xe001, 20*time.Second)
			element(0xe002)
			time.Sleep(time.Second)
			begin := time.Now()
			fall(t, way, n, first)
			awaitPong(t, user, 0xe002, 60*time.Second)
			t.Logf("element %s: %.1f s until the next reply", way, time.Since(begin).Seconds())
			requireCounting(t, pongs(user.log()))
		})
	}
}
