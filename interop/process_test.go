//go:build interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A peer is a program running in a guest, in the background.
type peer struct {
	m   machine
	tag string
}

// start starts a program in the guest; tag names it, one name at a time. What
// still runs when the test ends is stopped, and its output logged if the test
// failed.
func (m machine) start(t testing.TB, tag string, cmd ...string) *peer {
	t.Helper()
	p := &peer{m, tag}
	rig(t, append([]string{"bg", m.name, tag}, cmd...)...)
	t.Cleanup(func() {
		if _, err := tryRig(time.Second, "wait", m.name, tag); err != nil {
			_, _ = tryRig(20*time.Second, "stop", m.name, tag)
		}
		if t.Failed() {
			t.Logf("output of %s in %s:\n%s", tag, m.name, tail(p.log()))
		}
	})
	return p
}

// await waits until the program's output matches the extended regexp.
func (p *peer) await(t testing.TB, re string, limit time.Duration) {
	t.Helper()
	_, err := tryRig(limit, "await", p.m.name, p.tag, re)
	require.NoError(t, err, "output:\n%s", tail(p.log()))
}

// log is what the program has printed.
func (p *peer) log() string {
	out, _ := tryRig(10*time.Second, "log", p.m.name, p.tag)
	return out
}

// wait waits for the program's end, which must be a success, and returns its
// output.
func (p *peer) wait(t testing.TB, limit time.Duration) string {
	t.Helper()
	_, err := tryRig(limit, "wait", p.m.name, p.tag)
	require.NoError(t, err, "output:\n%s", tail(p.log()))
	return p.log()
}

// stop sends the program a signal (INT, KILL) and waits for its end.
func (p *peer) stop(t testing.TB, signal string) {
	t.Helper()
	rig(t, "stop", p.m.name, p.tag, signal)
}

// A process is a program on the host: in one of the rig's nodes, or on the host's
// side of the networks, where the tests themselves run.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done

	mu  sync.Mutex
	out bytes.Buffer
}

// startNode starts a program in a node (n1, n2): usrsctp needs one.
func startNode(t testing.TB, node string, cmd ...string) *process {
	t.Helper()
	return startHost(t, append([]string{os.Getenv("INTEROP_RIG"), "in", node}, cmd...)...)
}

// startHost starts a program beside the tests. The end of the test kills it.
func startHost(t testing.TB, cmd ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(cmd[0], cmd[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.WaitDelay = time.Second
	// A group of its own, so that its children die with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("output of %v:\n%s", cmd, tail(p.log()))
		}
	})
	return p
}

// Write takes the program's output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// log is what the program has printed.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// signal sends a signal to the program and its children.
func (p *process) signal(sig syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, sig) }

// kill ends the program without a farewell to its peers: a userland stack dies with
// it.
func (p *process) kill(t testing.TB) {
	t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.done
}

// await waits until the program's output matches.
func (p *process) await(t testing.TB, re string, limit time.Duration) {
	t.Helper()
	want := regexp.MustCompile(re)
	require.Eventually(t, func() bool { return want.MatchString(p.log()) }, limit, 20*time.Millisecond,
		"no /%s/ in the output:\n%s", re, tail(p.log()))
}

// wait waits for the program's end, which must be a success, and returns its
// output.
func (p *process) wait(t testing.TB, limit time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	select {
	case <-p.done:
		require.NoError(t, p.err, "output:\n%s", tail(p.log()))
	case <-ctx.Done():
		require.NoError(t, errors.New("still running"), "output:\n%s", tail(p.log()))
	}
	return p.log()
}
