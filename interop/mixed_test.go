//go:build interop

package interop

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A member is a process of a scope, which is killed and comes back.
type member struct {
	name  string
	kind  string // registrar, element, user
	start func()
	kill  func()

	down bool
	back time.Time // when it is to come back
}

// A mixedScope is two registrars of ours, two of rsplib's, ten elements of ours and ten
// of rsplib's in pools that both serve, and users of both.
type mixedScope struct {
	t       *testing.T
	members []*member
	ours    []node            // where our registrars are
	theirs  []machine         // where rsplib's are
	pools   map[string]string // of the elements, by the names of the members
	users   []*mixedUser
	ids     []uint32 // of the registrars, ours first; they may come back with others
	fickle  func() bool
}

// A mixedUser is a user of ours, whose replies are counted.
type mixedUser struct {
	pool string
	got  *arrivals
}

// Identifiers of the registrars: ours are neither all larger nor all smaller.
var mixedIDs = []uint32{0x20000001, 0x80000001, 0x40000002, 0x90000002}

func newMixedScope(t *testing.T) *mixedScope {
	t.Helper()
	s := &mixedScope{t: t, ours: []node{newNode(t), newNode(t)}, theirs: []machine{r1, r2}, pools: map[string]string{},
		ids: slices.Clone(mixedIDs), fickle: func() bool { return false }}
	var enrps, asaps []string
	for _, n := range s.ours {
		enrps, asaps = append(enrps, n.addr()), append(asaps, n.addr())
	}
	for _, m := range s.theirs {
		enrps, asaps = append(enrps, m.addr()), append(asaps, m.addr())
	}
	for i, n := range s.ours {
		args := []string{bin("rserpool"), "registrar", "--listen", n.addr(), "--profile", "rsplib", "--http", n.addr() + ":9980"}
		for _, p := range enrps {
			if p != n.addr() {
				args = append(args, "--peer", fmt.Sprintf("%s:%d", p, enrpPort))
			}
		}
		s.inNode(fmt.Sprintf("ours-%d", i), "registrar", n, args, func() string { return fmt.Sprintf("--id=%x", s.id(i)) })
	}
	for i, m := range s.theirs {
		args := rspregistrar(m, 0, slices.DeleteFunc(slices.Clone(enrps), func(p string) bool { return p == m.addr() })...)
		s.registrarIn(fmt.Sprintf("theirs-%d", i), m, args, func() string { return fmt.Sprintf("-identifier=0x%08x", s.id(2+i)) })
	}
	for i := range 10 {
		name, pool := fmt.Sprintf("our-element-%d", i), fmt.Sprintf("Mixed%d", i%3)
		s.pools[name] = elementKey(pool, uint32(0xa00+i))
		n := newNode(t)
		args := []string{bin("rserpool"), "serve", "pingpong", "--pool", pool, "--id", fmt.Sprintf("%x", 0xa00+i),
			"--listen", fmt.Sprintf("%s@%d", n.addr(), encapPort), "--profile", "rsplib"}
		for k := range asaps {
			args = append(args, "--registrar", fmt.Sprintf("%s:%d", asaps[(i+k)%len(asaps)], asapPort))
		}
		s.inNode(name, "element", n, args)
	}
	t.Cleanup(func() {
		_, _ = r3.run(20*time.Second, "sh", "-c", "pkill -KILL -x rspserver; pkill -KILL -x pingpongclient")
	})
	for i := range 10 {
		name, pool := fmt.Sprintf("their-element-%d", i), fmt.Sprintf("Mixed%d", i%3)
		s.pools[name] = elementKey(pool, uint32(0xb00+i))
		args := []string{"rspserver", "-pingpong", "-poolhandle=" + pool, fmt.Sprintf("-identifier=0x%x", 0xb00+i),
			"-policy=RoundRobin", "-asapannounce=off", "-loglevel=4", "-logcolor=off", "-rereginterval=2000"}
		for k := range asaps {
			args = append(args, fmt.Sprintf("-registrar=%s:%d", asaps[(i+k)%len(asaps)], asapPort))
		}
		s.inGuest(name, "element", r3, args)
	}
	for i := range 3 {
		pool := fmt.Sprintf("Mixed%d", i)
		args := rsplibUser("pingpongclient", pool, asaps[i])
		for _, a := range asaps {
			args = append(args, fmt.Sprintf("-registrar=%s:%d", a, asapPort))
		}
		s.inGuest(fmt.Sprintf("their-user-%d", i), "user", r3, args)
		s.ourUser(pool, asaps)
	}
	return s
}

func elementKey(pool string, id uint32) string { return fmt.Sprintf("%s/%08x", pool, id) }

// id is the identifier with which a registrar starts.
func (s *mixedScope) id(i int) uint32 {
	if s.fickle() {
		s.ids[i] ^= 0x10000 // nobody remembers the one before the last
		s.t.Logf("0x%08x comes back as 0x%08x", s.ids[i]^0x10000, s.ids[i])
	}
	return s.ids[i]
}

// add starts a member.
func (s *mixedScope) add(name, kind string, start, kill func()) {
	m := &member{name: name, kind: kind, start: start, kill: kill}
	s.members = append(s.members, m)
	m.start()
}

// log opens the log of a member, for what it says next.
func (s *mixedScope) log(name string) *os.File {
	f, err := os.OpenFile(outFile(s.t, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(s.t, err)
	return f
}

// inNode adds a program of ours; more are arguments that change.
func (s *mixedScope) inNode(name, kind string, n node, args []string, more ...func() string) {
	var cmd *exec.Cmd
	kill := func() {
		if cmd == nil {
			return
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // killed
		cmd = nil
	}
	s.t.Cleanup(kill)
	s.add(name, kind, func() {
		all := append([]string{"in", n.name}, args...)
		for _, f := range more {
			all = append(all, f())
		}
		cmd = exec.Command(os.Getenv("INTEROP_RIG"), all...)
		f := s.log(name)
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(s.t, cmd.Start())
	}, kill)
}

// inGuest adds a program of rsplib's.
func (s *mixedScope) inGuest(name, kind string, m machine, args []string) {
	p := &peer{m, name}
	s.add(name, kind,
		func() { rig(s.t, append([]string{"bg", m.name, name}, args...)...) },
		func() {
			if over, status := p.ended(); over {
				s.t.Logf("%s had ended by itself with status %s", name, status)
				return
			}
			p.stop(s.t, "KILL")
		})
}

// registrarIn adds a registrar of rsplib's. The associations of its life before may
// still be closing when it comes back, so that it finds its ports taken.
func (s *mixedScope) registrarIn(name string, m machine, args []string, id func() string) {
	kill := func() {
		_, _ = m.run(20*time.Second, "sh", "-c", "touch /run/rig/dead; pkill -KILL -x rspregistrar")
		if log := (&peer{m, name}).log(); strings.Contains(log, "ABORTING") {
			s.t.Logf("%s had died by itself: %s", name, lastLine(log))
		}
	}
	s.t.Cleanup(kill)
	s.add(name, "registrar", func() {
		m.must(s.t, "rm", "-f", "/run/rig/dead")
		rig(s.t, append([]string{"bg", m.name, name, "sh", "-c", `until [ -e /run/rig/dead ]; do "$@"; sleep 1; done`, "registrar"}, append(slices.Clone(args), id())...)...)
	}, kill)
}

// ourUser adds a user of ours, who is never killed, and says a line each half second.
func (s *mixedScope) ourUser(pool string, asaps []string) {
	args := []string{"call", pool, "--pingpong", "--profile", "rsplib"}
	for _, a := range asaps {
		args = append(args, "--registrar", fmt.Sprintf("%s:%d", a, asapPort))
	}
	cmd := exec.Command(bin("rserpool"), args...)
	lines, feed := io.Pipe()
	u := &mixedUser{pool: pool, got: &arrivals{}}
	f := s.log("our-user-" + pool)
	s.t.Cleanup(func() { _ = f.Close() })
	cmd.Stdin, cmd.Stdout, cmd.Stderr = lines, u.got, f
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = feed.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	go func() {
		for i := 1; ; i++ {
			if _, err := fmt.Fprintf(feed, "line %d\n", i); err != nil {
				return
			}
			time.Sleep(500 * time.Millisecond)
		}
	}()
	s.users = append(s.users, u)
}

// storm kills a member about each second and lets it come back within ten seconds,
// never all registrars at once; a registrar may have another identifier then. In the end all registrars and users are there, and the
// elements that are down stay so.
func (s *mixedScope) storm(rng *rand.Rand, d time.Duration) {
	kills, last := map[string]int{}, time.Now().Add(d)
	s.fickle = func() bool { return time.Until(last) > 30*time.Second && rng.IntN(3) == 0 }
	for ; time.Now().Before(last); time.Sleep(time.Duration(200+rng.IntN(1500)) * time.Millisecond) {
		s.revive(func(m *member) bool { return time.Now().After(m.back) })
		m := s.members[rng.IntN(len(s.members))]
		downtime := time.Duration(rng.IntN(10_000)) * time.Millisecond
		registrars := 0
		for _, o := range s.members {
			if o.kind == "registrar" && !o.down {
				registrars++
			}
		}
		if m.down || m.kind == "registrar" && registrars == 1 {
			continue
		}
		m.kill()
		m.down, m.back = true, time.Now().Add(downtime)
		kills[m.kind]++
		s.t.Logf("%s killed for %v", m.name, downtime)
	}
	s.revive(func(m *member) bool { return m.kind != "element" })
	s.t.Logf("killed: %v", kills)
}

// revive starts again who is down and ought to.
func (s *mixedScope) revive(ought func(*member) bool) {
	for _, m := range s.members {
		if m.down && ought(m) {
			m.start()
			m.down = false
			s.t.Logf("%s is back", m.name)
		}
	}
}

// elements are those that are there.
func (s *mixedScope) elements() (all []string) {
	for _, m := range s.members {
		if m.kind == "element" && !m.down {
			all = append(all, s.pools[m.name])
		}
	}
	slices.Sort(all)
	return all
}

// Two registrars of ours and two of rsplib's, with ten elements and three users of each
// kind, any of which is killed and comes back. Then it is quiet for a while, and all
// registrars know who is there. SCOPE is how long it goes on, SCOPE_SEED repeats a run.
func TestMixedScope(t *testing.T) {
	inScope(t)
	d, err := time.ParseDuration(os.Getenv("SCOPE"))
	if err != nil {
		d = time.Minute
	}
	seed, err := strconv.ParseUint(os.Getenv("SCOPE_SEED"), 0, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("SCOPE=%v SCOPE_SEED=%d", d, seed)
	s := newMixedScope(t)
	why := ""
	settled := func() bool { why = s.disagreement(); return why == "" }
	require.Eventually(t, settled, 60*time.Second, 200*time.Millisecond, "before the storm: %s", &why)
	s.storm(rand.New(rand.NewPCG(seed, 0)), d)

	begin := time.Now()
	const quiet = 15 * time.Second
	for time.Since(begin) < 2*quiet && !settled() {
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("ours agree %.1f s after the storm: %v", time.Since(begin).Seconds(), why)
	time.Sleep(time.Until(begin.Add(quiet)))
	require.Eventually(t, settled, 5*time.Second, 200*time.Millisecond, "%s", &why) // a busy machine may be late to answer

	for i, m := range s.theirs {
		s.compare(fmt.Sprintf("theirs-%d", i), m)
	}
	for _, u := range s.users {
		before := u.got.count()
		require.Eventually(t, func() bool { return u.got.count() > before+2 }, 20*time.Second, 100*time.Millisecond, "the user of %s goes on", u.pool)
		t.Logf("%s: %d replies, at most %.1f s apart", u.pool, u.got.count(), u.got.gap().Seconds())
	}
}
