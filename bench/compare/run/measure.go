package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// result is what a client and its server reported, joined, with the CPU seconds
// of both.
type result map[string]any

func (r result) num(k string) float64 { v, _ := r[k].(float64); return v }

// measure runs one server and one client.
func (r *runner) measure(p peer, t test) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	start := func(role string, extra ...string) *exec.Cmd {
		args := append(append(slices.Clone(p.command[1:]), role, r.addr), extra...)
		c := exec.CommandContext(ctx, p.command[0], args...)
		c.Env = append(os.Environ(), "ANCHOR_MTU="+t.mtu)
		return c
	}
	server := start("server")
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
		return nil, fmt.Errorf("server: %v: %s", err, strings.TrimSpace(serverSays.String()))
	}

	client := start("client", t.mode...)
	var clientOut, clientSays bytes.Buffer
	client.Stdout, client.Stderr = &clientOut, &clientSays
	clientErr := client.Run()

	stdin.Close() // the server prints its counters and ends
	res := result{"size": t.size()}
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &res); err != nil {
			clientErr = fmt.Errorf("server printed %q", lines.Text())
		}
	}
	serverErr := server.Wait()
	switch {
	case clientErr != nil:
		return nil, fmt.Errorf("client: %v: %s", clientErr, strings.TrimSpace(clientSays.String()))
	case serverErr != nil:
		return nil, fmt.Errorf("server: %v: %s", serverErr, strings.TrimSpace(serverSays.String()))
	}
	if err := json.Unmarshal(clientOut.Bytes(), &res); err != nil {
		return nil, fmt.Errorf("client printed %q", clientOut.String())
	}
	var cpu time.Duration
	for _, c := range []*exec.Cmd{server, client} {
		cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	res["cpu"] = cpu.Seconds()
	return res, nil
}
