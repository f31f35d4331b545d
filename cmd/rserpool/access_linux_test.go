package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An access list in a file, over real sockets: a host of the list may register, another one
// may not and learns why, and who may not resolve a pool does not learn of it. Linux has all
// of 127.0.0.0/8.
func TestZ4AccessFile(t *testing.T) { // RFC 5355 §2.2, §2.4
	udp, path := udpPort(t), filepath.Join(t.TempDir(), "registrar.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
listen: 127.0.0.1@%d
http: off
access:
  - allow register,deregister from 127.0.0.2 pool web-*
  - deny register,deregister
  - deny resolve pool internal-*
`, udp), 0o600))
	spawnRegistrar(t, "--config", path)
	try := func(host, pool string) result {
		return command(t, "", append([]string{"serve", "echo", "--pool", pool, "--listen", host + "@0", "--wait", "5s"}, asapOn(udp)...)...)
	}
	for _, refused := range [][2]string{{"127.0.0.3", "web-1"}, {"127.0.0.2", "db"}} {
		r := try(refused[0], refused[1])
		require.Equal(t, exitFailure, r.code, "%v", refused)
		require.Contains(t, r.err, "rejected due to security considerations")
	}
	s := start(t, append([]string{"serve", "echo", "--pool", "web-1", "--listen", "127.0.0.2@0", "--log", "off"}, asapOn(udp)...)...)
	s.await("registered_")
	require.Contains(t, ok(t, "", append([]string{"resolve", "web-1"}, asapOn(udp)...)...), "127.0.0.2")
	hidden := command(t, "", append([]string{"resolve", "internal-1"}, asapOn(udp)...)...)
	require.Contains(t, hidden.err, "security")
}
