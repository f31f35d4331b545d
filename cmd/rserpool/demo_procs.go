package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// procs are the processes that the demo has started.
type procs struct {
	exe  string
	fail context.CancelCauseFunc // called when one of them ends that should not
	list []*proc
}

func newProcs(exe string, fail context.CancelCauseFunc) *procs { return &procs{exe: exe, fail: fail} }

// proc is a process. Its standard input is a pipe that ends with the demo, whatever
// becomes of that.
type proc struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string   // of its standard output; closed at its end
	over  chan struct{} // closed when it has ended
	err   error         // how; set before over is closed

	mu       sync.Mutex
	expected bool // its end is no surprise
	errors   tail // of its standard error
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const maxTail = 2048

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > maxTail {
		t.b = append([]byte(nil), t.b[len(t.b)-maxTail:]...)
	}
	return len(b), nil
}

// last returns the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(string(t.b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// start starts this program with other arguments.
func (ps *procs) start(name string, args ...string) (*proc, error) {
	p := &proc{name: name, cmd: exec.Command(ps.exe, args...), lines: make(chan string, 1024), over: make(chan struct{})}
	p.cmd.Stderr = &p.errors
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ps.list = append(ps.list, p)
	go p.run(out, ps.fail)
	return p, nil
}

// run reads what the process says until it ends.
func (p *proc) run(out io.Reader, fail context.CancelCauseFunc) {
	r := bufio.NewScanner(out)
	for r.Scan() {
		p.lines <- r.Text()
	}
	close(p.lines)
	p.err = p.cmd.Wait()
	close(p.over)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.expected {
		fail(p.ended())
	}
}

// ended says how the process ended.
func (p *proc) ended() error {
	how := "ended"
	if p.err != nil {
		how = p.err.Error()
	}
	if last := p.errors.last(); last != "" {
		return fmt.Errorf("%s: %s: %s", p.name, how, strings.TrimPrefix(last, "rserpool: "))
	}
	return fmt.Errorf("%s: %s", p.name, how)
}

func (p *proc) pid() int { return p.cmd.Process.Pid }

// next returns the next line that the process prints.
func (p *proc) next(ctx context.Context) (string, error) {
	t := time.NewTimer(demoStep)
	defer t.Stop()
	select {
	case line, ok := <-p.lines:
		if !ok {
			<-p.over
			return "", p.ended()
		}
		return line, nil
	case <-t.C:
		return "", fmt.Errorf("%s: silent for %v", p.name, demoStep)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// await waits for a line that begins with a word.
func (p *proc) await(ctx context.Context, word string) (string, error) {
	for {
		line, err := p.next(ctx)
		if err != nil || strings.HasPrefix(line, word) {
			return line, err
		}
	}
}

// event returns the next event of a download. Its end is expected from "done" on.
func (p *proc) event(ctx context.Context) (event, error) {
	var e event
	line, err := p.next(ctx)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return e, fmt.Errorf("%s: %q: %w", p.name, line, err)
	}
	if e.Event == "done" {
		p.expect()
	}
	return e, nil
}

// expect says that the process may end.
func (p *proc) expect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = true
}

// finish waits for the end of the process, which should be a success.
func (p *proc) finish(ctx context.Context) error {
	p.expect()
	select {
	case <-p.over:
		if p.err != nil {
			return p.ended()
		}
		return nil
	case <-time.After(demoStep):
		return fmt.Errorf("%s does not end", p.name)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// kill kills the process.
func (p *proc) kill() error {
	p.expect()
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// killAll ends all processes that are there still, and waits for that.
func (ps *procs) killAll() {
	for _, p := range ps.list {
		p.expect()
		_ = p.cmd.Process.Kill() // it may have ended
		_ = p.stdin.Close()
		go func() { // run may be waiting for somebody to take a line
			for range p.lines {
			}
		}()
	}
	for _, p := range ps.list {
		<-p.over
	}
}
