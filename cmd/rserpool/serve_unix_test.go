//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SIGHUP has an element read its secrets again; a file with a mistake changes nothing.
// None of them gets into the log.
func TestSecretsAreReadAgain(t *testing.T) {
	udp := udpPort(t)
	spawnRegistrar(t, "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "off")
	path := filepath.Join(t.TempDir(), "secrets")
	const old, next = "b2xkb2xkb2xkb2xkb2xkb2xk", "bmV4dG5leHRuZXh0bmV4dG5leHQ="
	write := func(lines ...string) {
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	}
	write(old)
	args := append([]string{"serve", "pingpong", "--pool", "PingPong", "--cookie-key", path, "--listen", "127.0.0.1@0"}, asapOn(udp)...)
	p := spawn(t, args...)
	p.awaits(&p.out, "registered 0x")
	talk := func() {
		t.Helper()
		out := ok(t, "hello\n", append([]string{"call", "PingPong", "--pingpong"}, asapOn(udp)...)...)
		require.Equal(t, "1 hello\n", out)
	}
	talk()
	write(next, old)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.awaits(&p.errs, "secrets read again")
	require.Contains(t, p.errs.String(), `"keys": 2`)
	talk()
	write("no secret!")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.awaits(&p.errs, "nothing has changed")
	talk()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ended())
	for _, secret := range []string{"oldold", "nextnext", old, next, "no secret!"} {
		require.NotContains(t, p.errs.String(), secret)
	}
}

// SIGHUP has an element read its certificate, key and authority again; one with a mistake
// changes nothing.
func TestCertificatesOfAnElementAreReadAgain(t *testing.T) {
	udp := udpPort(t)
	cert, key := tlsFiles(t)
	spawnRegistrar(t, "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "off", "--profile", "fast",
		"--tls-ca", cert, "--tls-cert", cert, "--tls-key", key)
	at := []string{"--registrar", fmt.Sprintf("127.0.0.1:3864@%d", udp), "--profile", "fast", "--tls-ca", cert}
	p := spawn(t, append([]string{"serve", "echo", "--pool", "Echo", "--listen", "127.0.0.1@0", "--tls-cert", cert, "--tls-key", key}, at...)...)
	p.awaits(&p.out, "registered 0x")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.awaits(&p.errs, "certificates read again")
	b, err := os.ReadFile(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, []byte("damaged"), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.awaits(&p.errs, "nothing has changed")
	require.NoError(t, os.WriteFile(key, b, 0o600))
	require.Equal(t, "hello\n", ok(t, "hello\n", append([]string{"call", "Echo"}, at...)...))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ended())
}
