package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/outputtest"
)

// process is the command as a process of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  outputtest.Buffer
	errs outputtest.Buffer
	over chan struct{} // closed when it has ended
	err  error
}

// spawn starts a process, which is killed at the end of the test.
func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	return spawnWith(t, func(start func() error) error { return start() }, args...)
}

// spawnWith is spawn by a function that calls another one, which starts the process.
func spawnWith(t *testing.T, with func(start func() error) error, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), runMain+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	require.NoError(t, with(p.cmd.Start))
	go func() {
		p.err = p.cmd.Wait()
		close(p.over)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends it as kill -9 does, and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.over
}

// awaits waits for a text in what it prints, or in its log.
func (p *process) awaits(o *outputtest.Buffer, text string) {
	p.t.Helper()
	for range 3000 {
		if strings.Contains(o.String(), text) {
			return
		}
		select {
		case <-p.over:
			require.Contains(p.t, o.String(), text, "it ended: %v: %s", p.err, p.errs.String())
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	require.Fail(p.t, "did not write "+text, "%s", p.errs.String())
}

// ended waits for its end and returns the exit code.
func (p *process) ended() int {
	p.t.Helper()
	select {
	case <-p.over:
	case <-time.After(30 * time.Second):
		require.Fail(p.t, "does not end", "%s", p.errs.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// spawnRegistrar starts a registrar and waits until it is ready. It returns its UDP port.
func spawnRegistrar(t *testing.T, args ...string) *process {
	t.Helper()
	p := spawn(t, append([]string{"registrar", "--profile", "fast"}, args...)...)
	p.awaits(&p.out, "ready\n")
	return p
}

// tcpPort is a free one, as far as one can tell.
func tcpPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(somePort())
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	require.Fail(t, "no free port")
	return ""
}

// udpPort is the same.
func udpPort(t *testing.T) int {
	t.Helper()
	ports, err := freePorts(1)
	require.NoError(t, err)
	return ports[0]
}

// asapOn names the registrar on a UDP port to elements and users.
func asapOn(udp int) []string {
	return []string{"--registrar", fmt.Sprintf("127.0.0.1:3863@%d", udp), "--profile", "fast"}
}
