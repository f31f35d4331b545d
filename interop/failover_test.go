//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// arrivals notes when each line that is written to it comes.
type arrivals struct {
	mu    sync.Mutex
	lines []string
	times []time.Time
	rest  []byte
}

func (a *arrivals) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rest = append(a.rest, b...)
	for {
		line, rest, ok := bytes.Cut(a.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		a.lines, a.times = append(a.lines, string(line)), append(a.times, time.Now())
		a.rest = append([]byte(nil), rest...)
	}
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.lines)
}

// gap is the longest time between two lines.
func (a *arrivals) gap() (longest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := 1; i < len(a.times); i++ {
		longest = max(longest, a.times[i].Sub(a.times[i-1]))
	}
	return longest
}

// fall lets an element die: its process is killed, stands still, or its host is cut off.
func fall(t testing.TB, way string, n node, p *process) {
	t.Helper()
	switch way {
	case "killed":
		p.signal(syscall.SIGKILL)
	case "frozen":
		p.signal(syscall.SIGSTOP)
	case "unplugged":
		n.link(t, "a", false)
		n.link(t, "b", false)
	}
}

// Elements of ours die in each of the ways in which hosts do, and the user goes on
// with the next: reply numbers go on, and how long nothing came is in the log.
func TestOurUserFailsOver(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"default", "fast"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			reg := startHost(t, bin("rserpool"), "registrar", "--listen", h.addr(), "--profile", profile, "--http", "off")
			reg.await(t, "ready", 20*time.Second)
			for i, way := range []string{"killed", "frozen", "unplugged"} {
				t.Run(way, func(t *testing.T) {
					pool, at := fmt.Sprintf("Over%d", i), fmt.Sprintf("%s:%d", h.addr(), asapPort)
					element := func(id int) (node, *process) {
						n := newNode(t)
						p := startNode(t, n.name, bin("rserpool"), "serve", "pingpong", "--pool", pool, "--id", fmt.Sprintf("%x", id),
							"--registrar", at, "--listen", fmt.Sprintf("%s@%d", n.addr(), encapPort), "--profile", profile)
						p.await(t, "registered", 20*time.Second)
						return n, p
					}
					n, first := element(0xe001)
					user := exec.Command(bin("rserpool"), "call", pool, "--pingpong", "--registrar", at, "--profile", profile)
					lines, feed := io.Pipe()
					got := &arrivals{}
					var stderr bytes.Buffer
					user.Stdin, user.Stdout, user.Stderr = lines, got, &stderr
					require.NoError(t, user.Start())
					t.Cleanup(func() { _ = user.Process.Kill() })
					go func() {
						for i := 1; ; i++ {
							if _, err := fmt.Fprintf(feed, "line %d\n", i); err != nil {
								return
							}
							time.Sleep(20 * time.Millisecond)
						}
					}()
					require.Eventually(t, func() bool { return got.count() > 50 }, 20*time.Second, 10*time.Millisecond, stderr.String())
					element(0xe002)
					fall(t, way, n, first)
					before := got.count()
					require.Eventually(t, func() bool { return got.count() > before+200 }, 60*time.Second, 10*time.Millisecond, stderr.String())
					_ = feed.Close()
					require.NoError(t, user.Wait(), stderr.String())
					for i, line := range got.lines {
						require.Regexp(t, fmt.Sprintf(`^%d\b.*line %d$`, i+1, i+1), line)
					}
					t.Logf("profile %s, element %s: no reply for %.2f s", profile, way, got.gap().Seconds())
				})
			}
		})
	}
}
