package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/netns"
)

// spawnOn is spawn on a host of its own.
func spawnOn(t *testing.T, h *netns.Host, args ...string) *process {
	t.Helper()
	return spawnWith(t, func(start func() error) error { return h.Do(start) }, args...)
}

// Two hosts, IPv4 and IPv6, default groups and interfaces: registrars on both, an element
// on one, a user on the other, and nobody is told an address.
func TestDiscoverBetweenHosts(t *testing.T) {
	for _, family := range []struct{ name, a, b string }{
		{"IPv4", "10.7.0.1", "10.7.0.2"},
		{"IPv6", "fd00:7::1", "fd00:7::2"},
	} {
		t.Run(family.name, func(t *testing.T) {
			t.Parallel()
			a, b := netns.New(t), netns.New(t)
			length := map[bool]string{false: "/24", true: "/64"}[strings.Contains(family.a, ":")]
			netns.Link(t, a, b, netns.Wire{A: []string{family.a + length}, B: []string{family.b + length}})
			start := func(h *netns.Host, ip, id string) *process {
				if strings.Contains(ip, ":") {
					ip = "[" + ip + "]"
				}
				return spawnOn(t, h, "registrar", "--profile", "fast", "--listen", ip, "--id", id, "--http", "127.0.0.1:9980", "--announce", "on")
			}
			first := start(a, family.a, "1")
			first.awaits(&first.out, "ready\n")
			second := start(b, family.b, "2")
			second.awaits(&second.out, "ready\n")
			e := spawnOn(t, b, "serve", "echo", "--pool", "p", "--discover", "--profile", "fast")
			e.awaits(&e.out, "registered 0x")
			served := func(h *netns.Host) func() bool {
				return func() bool {
					var out []byte
					_ = h.Do(func() error { // the reply tells whether it went well
						c := exec.Command(e.cmd.Path, "call", "p", "--discover", "--profile", "fast")
						c.Env, c.Stdin = e.cmd.Env, strings.NewReader("hello\n")
						out, _ = c.Output()
						return nil
					})
					return string(out) == "hello\n"
				}
			}
			for _, h := range []*netns.Host{a, b} {
				require.Eventually(t, served(h), 30*time.Second, 50*time.Millisecond)
			}
			// Whichever was its home, the element is registered with the one that is left.
			second.kill()
			require.Eventually(t, served(a), 30*time.Second, 50*time.Millisecond)
		})
	}
}
