//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A registrar that is killed comes back under its identifier and with its elements; of
// those that ended while it was down none does. A second process cannot use its directory.
func TestStateSurvivesKill(t *testing.T) {
	udp, web, dir := udpPort(t), tcpPort(t), filepath.Join(t.TempDir(), "state")
	boot := func() (*process, string) {
		t.Helper()
		p := spawnRegistrar(t, "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "127.0.0.1:"+web, "--state", dir, "--snapshot=50ms")
		var status struct {
			Registrar struct{ ID string }
		}
		require.NoError(t, json.Unmarshal([]byte(httpGet(t, "http://127.0.0.1:"+web+"/api/status")), &status))
		return p, status.Registrar.ID
	}
	known := func(pool string) bool {
		return command(t, "", append([]string{"resolve", pool, "--timeout", "20s"}, asapOn(udp)...)...).code == 0
	}
	r, id := boot()
	serve(t, asapOn(udp), "echo", "--pool", "stays")
	leaves, _ := serve(t, asapOn(udp), "echo", "--pool", "leaves")
	for _, pool := range []string{"stays", "leaves"} {
		require.True(t, known(pool))
	}
	image := filepath.Join(dir, "handlespace")
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(image)
		return strings.Contains(string(b), "leaves") && strings.Contains(string(b), "stays")
	}, 20*time.Second, 10*time.Millisecond)

	second := command(t, "", "registrar", "--listen", "127.0.0.1@0", "--http", "off", "--state", dir)
	require.Equal(t, exitFailure, second.code)
	require.Contains(t, second.err, fmt.Sprintf("state directory %s is in use by process %d", dir, r.cmd.Process.Pid))

	r.kill()
	leaves.stop() // it cannot tell anybody
	r, again := boot()
	require.Equal(t, id, again)
	require.Eventually(t, func() bool { return known("stays") }, 20*time.Second, 10*time.Millisecond)
	for range 10 {
		require.False(t, known("leaves"))
		time.Sleep(20 * time.Millisecond)
	}
	require.Contains(t, r.errs.String(), "asking elements of before the restart")
	require.Eventually(t, func() bool {
		return strings.Contains(httpGet(t, "http://127.0.0.1:"+web+"/metrics"), "\nrserpool_snapshot_elements 1\n")
	}, 20*time.Second, 50*time.Millisecond, "the other one is given up")

	r.kill()
	require.NoError(t, os.WriteFile(image, []byte("rserpool, or what is left of it, and much else"), 0o600))
	p := spawn(t, "registrar", "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "off", "--state", dir, "--snapshot")
	require.Equal(t, exitFailure, p.ended(), "it may be somebody else's")
	require.NoError(t, os.Truncate(image, 20))
	r, again = boot()
	require.Equal(t, id, again)
	require.Contains(t, r.errs.String(), "starting without the elements of before")
	require.Eventually(t, func() bool { return known("stays") }, 20*time.Second, 10*time.Millisecond, "it comes back by itself")
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, r.ended())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "id"), []byte("0x"), 0o600))
	p = spawn(t, "registrar", "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "off", "--state", dir)
	require.Equal(t, exitFailure, p.ended())
	require.Contains(t, p.errs.String(), "correct or remove it")
	check := command(t, "", "registrar", "--state", dir, "--check-config")
	require.Equal(t, exitFailure, check.code)
}
