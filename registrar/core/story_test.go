package core_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestStories tells what registrars and elements say to each other in situations
// that a person may want to follow, one file each in testdata: who sends what
// to whom when, and what happens.
func TestStories(t *testing.T) {
	stories := map[string]func(w *world){
		"start-up": func(w *world) {
			a, b, c := w.addHost("A"), w.addHost("B"), w.addHost("C")
			a.startRegistrar(story(0xa), a, b)
			b.startRegistrar(story(0xb), a, b)
			w.run(300 * time.Millisecond)
			w.addHost("E").startElement("echo", a)
			w.run(100 * time.Millisecond)
			w.note("-- C knows of A only")
			c.startRegistrar(story(0xc), a)
			w.run(100 * time.Millisecond)
		},
		"takeover": func(w *world) {
			a, b, c := w.addHost("A"), w.addHost("B"), w.addHost("C")
			for i, h := range []*host{a, b, c} {
				h.startRegistrar(story(0xa+uint32(i)), a, b, c)
			}
			w.run(300 * time.Millisecond)
			w.addHost("E").startElement("echo", a)
			w.run(200 * time.Millisecond)
			w.traced, w.deadAfter = true, time.Minute
			w.note("-- A dies")
			a.crash(false)
			w.run(1200 * time.Millisecond)
		},
		"two-homes": func(w *world) {
			a, b := w.addHost("A"), w.addHost("B")
			a.startRegistrar(story(0xa), a, b)
			b.startRegistrar(story(0xb), a, b)
			w.run(300 * time.Millisecond)
			w.addHost("E").startElement("echo", a)
			w.run(200 * time.Millisecond)
			w.note("-- the network between A and B breaks")
			w.cut(a, b)
			w.run(1500 * time.Millisecond)
			w.traced = true
			w.note("-- it is repaired")
			w.heal(a, b)
			w.until(3*time.Second, w.meshed)
			w.run(300 * time.Millisecond)
			require.Empty(w.t, w.differences())
		},
		"drain": func(w *world) {
			a, b := w.addHost("A"), w.addHost("B")
			a.startRegistrar(story(0xa), a, b)
			b.startRegistrar(story(0xb), a, b)
			w.run(300 * time.Millisecond)
			w.addHost("E").startElement("echo", a)
			w.run(200 * time.Millisecond)
			w.traced = true
			w.note("-- A is told to stop")
			a.node.(*registrarNode).Drain(a.now())
			a.settle()
			w.run(100 * time.Millisecond)
		},
	}
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.traced = name == "start-up"
			tell(w)
			got := strings.Join(w.log, "\n") + "\n"
			file := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err, "run the test with -update")
			require.Equal(t, string(want), got, "run the test with -update if this is meant, and look at the difference")
		})
	}
}

func story(id uint32) core.Config {
	return core.Config{Profile: core.ProfileFast, ID: rid(id)}
}
