//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
)

// rsplibUser is the command line of one of rsplib's users, with output that is not
// held back.
func rsplibUser(program, pool, registrar string, more ...string) []string {
	return append([]string{"stdbuf", "-oL", program, "-poolhandle=" + pool, fmt.Sprintf("-registrar=%s:%d", registrar, asapPort),
		"-asapannounce=off", "-loglevel=2", "-logcolor=off"}, more...)
}

// A pong is a reply that pingpongclient has printed.
type pong struct{ element, reply string }

var pongLine = regexp.MustCompile(`Ack #\d+ from PE \$([0-9a-f]{8}) \(reply #(\d+)\)`)

// pongs are the replies so far.
func pongs(log string) []pong {
	var all []pong
	for _, m := range pongLine.FindAllStringSubmatch(log, -1) {
		all = append(all, pong{m[1], m[2]})
	}
	return all
}

// awaitPong waits for a reply from an element.
func awaitPong(t testing.TB, user *peer, element uint32, limit time.Duration) {
	t.Helper()
	user.await(t, fmt.Sprintf(`Ack #[0-9]+ from PE \$%08x`, element), limit)
}

// requireCounting requires replies that count from 1 without a gap, whoever gave
// them.
func requireCounting(t testing.TB, all []pong) {
	t.Helper()
	for i, p := range all {
		require.Equal(t, fmt.Sprint(i+1), p.reply, "reply %d came from %s", i, p.element)
	}
}

// rsplib's pingpongclient moves from one element to the next, and the reply numbers
// go on: the cookie of the one is understood by the other, whether it is ours or
// rsplib's. The registrar is ours or rsplib's as well.
func TestPingPongGoesOn(t *testing.T) {
	for _, c := range []struct {
		name                      string
		ourRegistrar, first, next bool // whether ours
	}{
		{"from ours to ours", true, true, true},
		{"from ours to rspserver", true, true, false},
		{"from rspserver to ours", true, false, true},
		{"from ours to rspserver at rspregistrar", false, true, false},
		{"from rspserver to ours at rspregistrar", false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScope(t)
			at := r1.addr()
			if c.ourRegistrar {
				h := newHost(t)
				ourRegistrar(t, h, 0x99990003)
				at = h.addr()
			} else {
				startRegistrar(t, r1, 0x11111111)
			}
			const one, two = 0xd001, 0xd002
			start := func(id uint32, ours bool, m machine) (stop func()) {
				if ours {
					p := serve(t, newHost(t), encapPort, "pingpong", "Goes", id, at)
					return func() { p.signal(syscall.SIGTERM) }
				}
				p := startElement(t, m, "element", "pingpong", "Goes", id, "RoundRobin", at)
				return func() { p.stop(t, "INT") }
			}
			stop := start(one, c.first, r2)
			user := r3.start(t, "user", rsplibUser("pingpongclient", "Goes", at)...)
			awaitPong(t, user, one, 15*time.Second)
			start(two, c.next, r1)
			time.Sleep(2 * time.Second) // so that some replies come before
			stop()
			awaitPong(t, user, two, 40*time.Second)
			time.Sleep(2 * time.Second)
			all := pongs(user.log())
			requireCounting(t, all)
			require.Equal(t, fmt.Sprintf("%08x", two), all[len(all)-1].element)
			t.Logf("%d replies", len(all))
		})
	}
}

// Our user moves between rsplib's elements, and the reply numbers go on.
func TestOurUserOfRspservers(t *testing.T) {
	inScope(t)
	startRegistrar(t, r1, 0x11111111)
	first := startElement(t, r2, "element", "pingpong", "Theirs", 0xd011, "RoundRobin", r1.addr())
	p := startHost(t, "sh", "-c", fmt.Sprintf("for i in $(seq 1 30); do echo line $i; sleep 0.3; done | %s call Theirs --pingpong --profile rsplib --registrar %s:%d",
		bin("rserpool"), r1.addr(), asapPort))
	p.await(t, "(?m)^.*line 5$", 20*time.Second)
	startElement(t, r3, "element", "pingpong", "Theirs", 0xd012, "RoundRobin", r1.addr())
	first.stop(t, "KILL")
	out := p.wait(t, 60*time.Second)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 30, out)
	for i, line := range lines {
		require.Regexp(t, fmt.Sprintf(`^%d\b.*line %d$`, i+1, i+1), line)
	}
}

// The registrar is ours, all others are rsplib's.
func TestRsplibAtOurRegistrar(t *testing.T) {
	inScope(t)
	reg := newHost(t)
	ourRegistrar(t, reg, 0x99990004)

	t.Run("rspterminal", func(t *testing.T) {
		e := startElement(t, r1, "echo", "echo", "TermPool", 0xd021, "RoundRobin", reg.addr())
		out, _ := r3.run(30*time.Second, "sh", "-c", "(sleep 2; echo hello from the terminal; sleep 3) | timeout 12 "+
			strings.Join(rsplibUser("rspterminal", "TermPool", reg.addr()), " "))
		require.Contains(t, out, "hello from the terminal")
		e.stop(t, "INT")
	})
	t.Run("calcappclient", func(t *testing.T) {
		e := startElement(t, r1, "calc", "calcapp", "CalcPool", 0xd022, "LeastUsed", reg.addr())
		user := r3.start(t, "calcuser", rsplibUser("calcappclient", "CalcPool", reg.addr(), "-jobsize=200000", "-jobinterval=0.5")...)
		user.await(t, "Job #3 completed", 60*time.Second)
		user.stop(t, "KILL")
		e.stop(t, "INT")
	})
	t.Run("fractalpooluser", func(t *testing.T) {
		e := startElement(t, r1, "fractal", "fractal", "FractalPool", 0xd023, "RoundRobin", reg.addr(), "-fgptestmode")
		user := r3.start(t, "fractaluser", append([]string{"env", "QT_QPA_PLATFORM=offscreen"},
			rsplibUser("fractalpooluser", "FractalPool", reg.addr(), "-threads=1")...)...)
		e.await(t, "New thread", 30*time.Second)
		e.await(t, "Thread for RSerPool socket [0-9]+ has been stopped", 30*time.Second)
		user.stop(t, "KILL")
		e.stop(t, "INT")
	})
	t.Run("hsdump", func(t *testing.T) {
		e := startElement(t, r1, "dumped", "echo", "DumpPool", 0xd024, "WeightedRoundRobin:3", reg.addr())
		dump := handlespaceOf(t, r3, reg.addr())
		require.Regexp(t, `Pool "DumpPool", Policy "WeightedRoundRobin"`, dump)
		// rspserver registers for three intervals of 2 s, in milliseconds.
		require.Regexp(t, `home=\$99990004 life=6000ms`, dump)
		e.stop(t, "INT") // it deregisters
		require.Eventually(t, func() bool { return !strings.Contains(handlespaceOf(t, r3, reg.addr()), "DumpPool") },
			10*time.Second, 500*time.Millisecond)
	})
}

// Our user asks rsplib's registrar.
func TestWeAskRspregistrar(t *testing.T) {
	inScope(t)
	startRegistrar(t, r1, 0x11111111)
	at := fmt.Sprintf("%s:%d", r1.addr(), asapPort)
	resolve := func(pool string, more ...string) (string, error) {
		out, err := exec.Command(bin("rserpool"), append([]string{"resolve", pool, "--json", "--profile", "rsplib", "--registrar", at}, more...)...).CombinedOutput()
		return string(out), err
	}
	out, err := resolve("NoSuchPool")
	require.Error(t, err)
	require.Contains(t, out, "unknown pool handle")
	for i := range 5 {
		serve(t, newHost(t), encapPort, "echo", "Five", 0xd030+uint32(i), r1.addr())
	}
	count := func(more ...string) int {
		out, err := resolve("Five", more...)
		require.NoError(t, err, out)
		return len(regexp.MustCompile(`"id": ?"0x0000d03`).FindAllString(out, -1))
	}
	require.Equal(t, 3, count(), "rsplib answers with three")
	require.Equal(t, 1, count("--items", "1"))
	require.Equal(t, 5, count("--items", "-1"))
}

// An element whose process stands still acknowledges no keep-alives although its
// SCTP is alive, or is dead with it: either registrar removes it.
func TestFrozenElementsAreRemoved(t *testing.T) {
	t.Run("ours at rspregistrar", func(t *testing.T) {
		inScope(t)
		startRegistrar(t, r1, 0x11111111)
		p := serve(t, newHost(t), encapPort, "echo", "Frozen", 0xd041, r1.addr())
		eventuallyKnows(t, r3, r1.addr(), 0xd041, 15*time.Second)
		p.signal(syscall.SIGSTOP)
		eventuallyForgets(t, r1.addr(), 0xd041)
	})
	t.Run("rspserver at ours", func(t *testing.T) {
		inScope(t)
		h := newHost(t)
		ourRegistrar(t, h, 0x99990005)
		startElement(t, r2, "element", "echo", "Frozen", 0xd042, "RoundRobin", h.addr())
		eventuallyKnows(t, r3, h.addr(), 0xd042, 15*time.Second)
		r2.must(t, "sh", "-c", "kill -STOP $(cat /run/rig/element.gpid)")
		eventuallyForgets(t, h.addr(), 0xd042)
		r2.must(t, "sh", "-c", "kill -CONT $(cat /run/rig/element.gpid)")
		// It comes back when it goes on.
		eventuallyKnows(t, r3, h.addr(), 0xd042, 30*time.Second)
	})
}

// eventuallyForgets waits until the registrar's handlespace does not hold a pool
// element any more.
func eventuallyForgets(t testing.TB, registrar string, id uint32) {
	t.Helper()
	require.Eventually(t, func() bool {
		dump := handlespaceOf(t, r3, registrar)
		return strings.Contains(dump, "Handlespace[") && !strings.Contains(strings.ToLower(dump), fmt.Sprintf("%08x", id))
	}, 40*time.Second, 500*time.Millisecond)
}

// statusOfOurs is what the registrar of ours in this scope says of itself.
func statusOfOurs(t testing.TB) (s registrar.Status) {
	t.Helper()
	out, err := exec.Command(bin("rserpool"), "status", "--json").Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &s))
	return s
}

// homes says which registrar is home to the elements that the registrar of ours in
// this scope knows.
func homes(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range statusOfOurs(t).Pools {
		for _, e := range p.Elements {
			all[e.ID] = e.Home
		}
	}
	return all
}

// scopeOfThree starts rsplib's registrars in r1 and r2 and one of ours; all know each
// other.
func scopeOfThree(t testing.TB, h host, id uint32) (theirs *peer, ours *process) {
	t.Helper()
	theirs = startRegistrar(t, r1, 0x11111111, r2.addr(), h.addr())
	startRegistrar(t, r2, 0x22222222, r1.addr(), h.addr())
	ours = ourRegistrar(t, h, id, "--peer", fmt.Sprintf("%s:%d", r1.addr(), enrpPort), "--peer", fmt.Sprintf("%s:%d", r2.addr(), enrpPort))
	return theirs, ours
}

// A registrar of rsplib dies beside one of ours and another of rsplib's: one of these
// takes its elements over, both kinds, and ours knows.
func TestRspregistrarDiesBesideOurs(t *testing.T) {
	inScope(t)
	h := newHost(t)
	dying, _ := scopeOfThree(t, h, 0x99990006)
	startElement(t, r3, "element", "echo", "Taken", 0xd051, "RoundRobin", r1.addr(), "-rereginterval=20000")
	serve(t, newHost(t), encapPort, "echo", "Taken", 0xd052, r1.addr())
	const dead = "0x11111111"
	homeless := func() bool {
		now := homes(t)
		for _, id := range []string{"0x0000d051", "0x0000d052"} {
			if now[id] == "" || now[id] == dead {
				return true
			}
		}
		return false
	}
	require.Eventually(t, func() bool { return homes(t)["0x0000d051"] == dead && homes(t)["0x0000d052"] == dead },
		20*time.Second, 200*time.Millisecond)
	dying.stop(t, "KILL")
	died := time.Now()
	require.Eventually(t, func() bool { return !homeless() }, 60*time.Second, 200*time.Millisecond)
	t.Logf("another home for both elements after %.1f s: %v", time.Since(died).Seconds(), homes(t))
	for range 10 { // several keep-alives
		time.Sleep(time.Second)
		require.False(t, homeless())
	}
}

// rsplib's registrar comes back at its address under another identifier: its elements
// register again, or are taken over by ours before, the old identifier goes, and nothing
// is there twice.
func TestRspregistrarRestartsUnderAnotherIdentifier(t *testing.T) {
	inScope(t)
	h := newHost(t)
	first := startRegistrar(t, r1, 0x11111111, h.addr())
	ourRegistrar(t, h, 0x99990008, "--peer", fmt.Sprintf("%s:%d", r1.addr(), enrpPort))
	startElement(t, r3, "element", "echo", "Moved", 0xd061, "RoundRobin", r1.addr())
	serve(t, newHost(t), encapPort, "echo", "Moved", 0xd062, r1.addr())
	// at says whether ours knows both elements once, at home or with itself, and no other
	// registrar.
	at := func(home string) bool {
		s, elements := statusOfOurs(t), []string{}
		for _, p := range s.Pools {
			for _, e := range p.Elements {
				if e.Home == home || e.Home == s.Registrar.ID {
					elements = append(elements, e.ID)
				}
			}
		}
		slices.Sort(elements)
		return slices.Equal(elements, []string{"0x0000d061", "0x0000d062"}) && len(s.Peers) == 1 && s.Peers[0].ID == home
	}
	require.Eventually(t, func() bool { return at("0x11111111") }, 20*time.Second, 200*time.Millisecond)
	first.stop(t, "KILL")
	died := time.Now()
	startRegistrar(t, r1, 0x33333333, h.addr())
	require.Eventually(t, func() bool { return at("0x33333333") }, 60*time.Second, 200*time.Millisecond)
	t.Logf("settled %.1f s after the death of the old one: %v", time.Since(died).Seconds(), homes(t))
	time.Sleep(5 * time.Second) // whatever is late
	require.True(t, at("0x33333333"))
	index := regexp.MustCompile(`idx:#\d+: \$(\w+) `)
	require.Eventually(t, func() bool {
		dump := handlespaceOf(t, r3, r1.addr())
		_, dump, _ = strings.Cut(dump, "Handlespace[")
		var ids []string
		for _, m := range index.FindAllStringSubmatch(dump, -1) {
			ids = append(ids, strings.ToLower(m[1]))
		}
		return slices.Equal(ids, []string{"0000d061", "0000d062"}) && !strings.Contains(dump, "home=$11111111")
	}, 15*time.Second, time.Second)
}

// A registrar of ours dies beside two of rsplib's: one of these takes its elements
// over, both kinds.
func TestOursDiesBesideRspregistrars(t *testing.T) {
	inScope(t)
	h := newHost(t)
	_, dying := scopeOfThree(t, h, 0x99990007)
	startElement(t, r3, "element", "echo", "Taken", 0xd053, "RoundRobin", h.addr(), "-rereginterval=20000")
	serve(t, newHost(t), encapPort, "echo", "Taken", 0xd054, h.addr())
	resolved := func(m machine) bool {
		out, _ := exec.Command(bin("rserpool"), "resolve", "Taken", "--json", "--profile", "rsplib",
			"--registrar", fmt.Sprintf("%s:%d", m.addr(), asapPort)).Output()
		return strings.Contains(string(out), "0x0000d053") && strings.Contains(string(out), "0x0000d054")
	}
	for _, m := range []machine{r1, r2} {
		require.Eventually(t, func() bool { return resolved(m) }, 20*time.Second, 500*time.Millisecond)
	}
	dying.signal(syscall.SIGKILL)
	// No hsdump meanwhile: rsplib takes it for a peer, and waits for its word on the
	// takeover until that is void.
	time.Sleep(25 * time.Second)
	for _, m := range []machine{r1, r2} {
		require.True(t, resolved(m), "%s has forgotten them", m.name)
		dump := strings.ToLower(handlespaceOf(t, r3, m.addr()))
		require.NotContains(t, dump, "home=$99990007")
		require.Contains(t, dump, "home=$")
	}
}
