package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rserpool/rserpool/bench/compare/link"
)

// result is what a client and its server reported, joined, with the CPU seconds
// and the largest resident sets of both.
type result map[string]any

func (r result) num(k string) float64 { v, _ := r[k].(float64); return v }

// A place is where the two processes of a measurement run: on the loopback, or at the
// ends of a link.
type place struct {
	addr string
	link *link.Link
}

// open makes the place of a test. The seed of a link depends on nothing but the round,
// so that all peers of a round see the same.
func (r *runner) open(t test, round int) (*place, error) {
	if t.link == "" {
		return &place{addr: r.addr}, nil
	}
	spec, err := link.ParseSpec(t.link)
	if err != nil {
		return nil, err
	}
	spec.Seed = uint64(round) + 1
	l, err := link.Open(spec)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(r.addr, ":")
	return &place{addr: link.ServerIP + ":" + port, link: l}, nil
}

func (p *place) close() error {
	if p.link == nil {
		return nil
	}
	return p.link.Close()
}

// command is a process of a peer in that role.
func (p *place) command(ctx context.Context, c []string, mtu, role string, extra ...string) *exec.Cmd {
	args := append(append(slices.Clone(c), role, p.addr), extra...)
	if p.link != nil {
		ns := p.link.Client
		if role == "server" {
			ns = p.link.Server
		}
		args = p.link.Command(ns, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "ANCHOR_MTU="+mtu)
	return cmd
}

// measure runs one server and one client.
func (r *runner) measure(p peer, t test, round int) (res result, err error) {
	where, err := r.open(t, round)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, where.close()) }()
	limit := r.limit + t.duration()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	server := where.command(ctx, p.command, t.mtu, "server")
	stdin, err := server.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var serverSays bytes.Buffer
	server.Stderr = &serverSays
	if err := server.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() { // the line "ready"
		err := server.Wait()
		return nil, fmt.Errorf("server: %v: %s", err, firstLine(serverSays.String()))
	}

	client := where.command(ctx, p.command, t.mtu, "client", t.mode...)
	var clientOut, clientSays bytes.Buffer
	client.Stdout, client.Stderr = &clientOut, &clientSays
	clientErr := client.Run()

	stdin.Close() // the server prints its counters and ends
	res = result{"size": t.size()}
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &res); err != nil {
			clientErr = fmt.Errorf("server printed %q", lines.Text())
		}
	}
	serverErr := server.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("not done after %v", limit)
	case clientErr != nil:
		return nil, fmt.Errorf("client: %v: %s", clientErr, firstLine(clientSays.String()))
	case serverErr != nil:
		return nil, fmt.Errorf("server: %v: %s", serverErr, firstLine(serverSays.String()))
	}
	if err := json.Unmarshal(clientOut.Bytes(), &res); err != nil {
		return nil, fmt.Errorf("client printed %q", clientOut.String())
	}
	var cpu time.Duration
	for role, c := range map[string]*exec.Cmd{"server": server, "client": client} {
		cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
			res[role+"_peak"] = float64(u.Maxrss) * 1024
		}
	}
	res["cpu"] = cpu.Seconds()
	return res, nil
}

// firstLine is enough of what a process said to know why it failed.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
