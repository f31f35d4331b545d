package core_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool/profile"
)

// slowWorld is a world with the timers of a profile, whose associations do not notice
// by themselves that their other end is dead.
func slowWorld(t testing.TB, seed uint64, p profile.Profile) *world {
	w := newWorld(t, seed)
	w.profile, w.deadAfter, w.checks = p, 1000*time.Hour, 50
	return w
}

// detected are the times of many failures, sorted.
type detected []time.Duration

func (d detected) add(v time.Duration) detected {
	i, _ := slices.BinarySearch(d, v)
	return slices.Insert(d, i, v)
}

func (d detected) median() time.Duration  { return d[len(d)/2] }
func (d detected) longest() time.Duration { return d[len(d)-1] }

// silentElements lets elements die in silence, each at its time, and measures how
// long their home keeps them.
func silentElements(t testing.TB, p profile.Profile) (d detected) {
	w := slowWorld(t, 1, p)
	rs, es := clusterOf(w, core.Config{Profile: p.Registrar}, 1, 60)
	space := rs[0].node.(*registrarNode).Space()
	w.step = p.Registrar.KeepAlive / 200
	for _, h := range es {
		w.run(time.Duration(w.rnd.Int64N(int64(2 * p.Registrar.KeepAlive))))
		k := h.node.(*elementNode).key
		h.crash(false)
		took, ok := w.until(10*p.Registrar.KeepAlive, func() bool {
			_, there := space.Get(k.Handle, k.ID)
			return !there
		})
		if !ok {
			w.fail("%s stays", k)
		}
		d = d.add(took)
	}
	return d
}

// silentRegistrars lets registrars die in silence, and measures how long it takes until
// another one takes over, and until that one has found all elements.
func silentRegistrars(t testing.TB, p profile.Profile) (takeover, found detected) {
	for seed := range uint64(15) {
		w := slowWorld(t, seed, p)
		rs, _ := clusterOf(w, core.Config{Profile: p.Registrar}, 3, 6)
		w.run(time.Duration(w.rnd.Int64N(int64(4 * p.Registrar.Heartbeat))))
		h := slices.MaxFunc(rs, func(a, b *host) int { return a.owned() - b.owned() })
		victim := h.node.(*registrarNode).ID()
		h.crash(false)
		w.step = p.Registrar.Heartbeat / 50
		start := w.now
		if _, ok := w.until(3*time.Minute, func() bool { return w.takeovers[victim] > 0 }); !ok {
			w.fail("no takeover")
		}
		takeover = takeover.add(w.now.Sub(start))
		if _, ok := w.until(3*time.Minute, func() bool { return w.differences() == "" && w.linked() }); !ok {
			w.fail("elements without a home")
		}
		found = found.add(w.now.Sub(start))
	}
	return takeover, found
}

// owned is the number of elements whose home is on h.
func (h *host) owned() int {
	n := h.node.(*registrarNode)
	return n.Space().OwnedLen(n.ID())
}

// linked reports whether all homes have associations with their elements.
func (w *world) linked() bool {
	for _, n := range w.registrars() {
		for _, p := range n.Snapshot().Pools {
			for _, el := range p.Elements {
				if el.Home == n.ID() && !el.Connected {
					return false
				}
			}
		}
	}
	return true
}

// The times that profile.Detections computes are those that clusters take, and what
// docs/timers.md says of simulations is what they do.
func TestSimDetectionTimes(t *testing.T) {
	var b strings.Builder
	row := map[string][]string{}
	names := []string{
		"element silent: removed by its home", "registrar silent: takeover by its peers", "registrar silent: its elements found by the new home",
	}
	slack := 100 * time.Millisecond // for messages
	for _, p := range profile.All() {
		computed := map[string]profile.Detection{}
		for _, d := range p.Detections() {
			computed[d.What] = d
		}
		els := silentElements(t, p)
		c := computed[profile.SilentElement]
		require.LessOrEqual(t, els.longest(), c.Max+slack, p.Name)
		require.InDelta(t, float64(c.Mean), float64(els.median()), float64(c.Mean)/4, p.Name)
		takeover, found := silentRegistrars(t, p)
		c = computed[profile.SilentRegistrar]
		held := time.Duration(0)
		if p.Registrar.HoldTakeoverAck {
			held = p.Registrar.MaxTimeNoResponse
		}
		require.LessOrEqual(t, takeover.longest(), c.Max+held+slack, p.Name)
		require.GreaterOrEqual(t, takeover[0], c.Max-p.Registrar.Heartbeat*9/8, p.Name)
		for i, d := range []detected{els, takeover, found} {
			row[names[i]] = append(row[names[i]], fmt.Sprintf(" %s / %s |", d.median().Round(10*time.Millisecond), d.longest().Round(10*time.Millisecond)))
		}
	}
	b.WriteString("| failure | default | rfc | rsplib | fast |\n|---|---|---|---|---|\n")
	for _, name := range names {
		fmt.Fprintf(&b, "| %s |%s\n", name, strings.Join(row[name], ""))
	}
	goldenPart(t, "../../docs/timers.md", "simulated", b.String())
}

// goldenPart compares the part of a file between two marks, or rewrites it.
func goldenPart(t *testing.T, file, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want = before + begin + want + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run the test with -update if this is meant")
}

// The fast profile at 2 % loss: of five registrars and sixty elements nobody who lives
// is taken for dead in ten minutes. It takes seven losses in a row, of a keep-alive and its
// acknowledgement together: once in a hundred thousand millions.
func TestSimFastProfileWithoutFalseAlarms(t *testing.T) {
	from, to := seeds(t, 1)
	to = min(to, from+40)
	minutes := 10 * time.Minute
	if to-from == 1 {
		minutes = 3 * time.Minute // among all the other tests
	}
	alarms := uint64(0)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		w.checks, w.maxDelay = 1000, 2*time.Millisecond
		rs, _ := cluster(w, 5, 60)
		count := func() (n uint64) {
			for _, h := range rs {
				s := h.node.(*registrarNode).Stats()
				n += s.KeepAliveTimeouts + s.Removed + s.TakeoversStarted
			}
			return n
		}
		before := count()
		w.loss = 0.02
		w.run(minutes)
		if count() > before {
			alarms++
		}
	}
	require.Zero(t, alarms, "of %d runs", to-from)
}
