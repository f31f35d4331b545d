package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
)

// TestMain lets the test be a server in a process of its own.
func TestMain(m *testing.M) {
	if args := os.Getenv("POOL_HTTP_ARGS"); args != "" {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { defer cancel(); _, _ = io.Copy(io.Discard, os.Stdin) }() // until the test ends
		if err := run(ctx, os.Stdout, strings.Fields(args)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every request is answered, though two of three servers die.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, run(ctx, &out, nil))
	require.Equal(t, 9, strings.Count(out.String(), "request "))
	require.Equal(t, 2, strings.Count(out.String(), " is dead\n"))
	dead := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if who, ok := strings.CutSuffix(line, " is dead"); ok {
			dead[who] = true
			continue
		}
		_, who, _ := strings.Cut(line, ": ")
		require.False(t, dead[who], line)
	}
	require.Error(t, run(ctx, &out, []string{"what"}))
}

// process starts a server in a process of its own.
func process(ctx context.Context, t *testing.T, registrar string) (kill func()) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(ctx, exe)
	c.Env = append(os.Environ(), "POOL_HTTP_ARGS=serve 127.0.0.1:0 "+registrar)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() }) // it may have been killed
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "registered 0x")
	return func() { _ = c.Process.Kill() }
}

// Servers that are killed under load (SIGKILL) cost no answer: clients go on with those
// that live, and with one that joins.
func TestServersAreKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	require.NoError(t, err)
	go func() { _ = r.Run(ctx) }()
	defer r.Close()
	at, _ := r.Addrs()
	var kills []func()
	for range 3 {
		kills = append(kills, process(ctx, t, at.String()))
	}

	var mu sync.Mutex
	answers, longest := map[string]int{}, time.Duration(0)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			err := withClient([]string{at.String()}, func(client *http.Client) error {
				for {
					select {
					case <-stop:
						return nil
					default:
					}
					start := time.Now()
					who, err := get(ctx, client, "http://WebPool/")
					if err != nil {
						return err
					}
					mu.Lock()
					answers[who]++
					longest = max(longest, time.Since(start))
					mu.Unlock()
					time.Sleep(time.Millisecond)
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	answered := func(servers int) {
		t.Helper()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(answers) == servers
		}, 20*time.Second, 10*time.Millisecond)
	}
	answered(3)
	for i, kill := range kills {
		time.Sleep(400 * time.Millisecond)
		if i == 2 {
			process(ctx, t, at.String()) // before the last one goes
		}
		kill()
	}
	answered(4)
	close(stop)
	clients.Wait()
	t.Logf("answers by server: %v; the longest wait was %v", answers, longest)
	require.Less(t, longest, 10*time.Second)
}
