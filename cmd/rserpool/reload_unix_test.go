//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func httpGet(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

// SIGHUP has a registrar read its configuration again: access and the level of the log
// change at once, for elements that are there, too; what cannot change is named; and a
// file with a mistake changes nothing, which the log and a metric tell.
func TestReloadOnHangup(t *testing.T) {
	udp, web := udpPort(t), tcpPort(t)
	path := filepath.Join(t.TempDir(), "registrar.yaml")
	write := func(lines ...string) {
		lines = append(lines, fmt.Sprintf("listen: 127.0.0.1@%d", udp), "http: 127.0.0.1:"+web)
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	}
	write("log: info")
	r := spawnRegistrar(t, "--config", path)
	hangup := func(log string) {
		t.Helper()
		before := len(r.errs.String())
		require.NoError(t, r.cmd.Process.Signal(syscall.SIGHUP))
		require.Eventually(t, func() bool { return strings.Contains(r.errs.String()[before:], log) }, 20*time.Second, 5*time.Millisecond, log)
	}
	metric := func(line string) {
		t.Helper()
		require.True(t, strings.Contains(httpGet(t, "http://127.0.0.1:"+web+"/metrics"), "\n"+line+"\n"), line)
		require.Equal(t, "ok\n", httpGet(t, "http://127.0.0.1:"+web+"/healthz"))
	}
	serve(t, asapOn(udp), "echo", "--pool", "web-1")
	serve(t, asapOn(udp), "echo", "--pool", "db")
	resolves := func(pool string) bool {
		return command(t, "", append([]string{"resolve", pool, "--timeout", "20s"}, asapOn(udp)...)...).code == 0
	}
	require.True(t, resolves("web-1"))
	require.True(t, resolves("db"))
	metric("rserpool_config_last_reload_successful 1")

	write("access: [allow all pool web-*, deny register]", "profil: fast")
	hangup("registrar.yaml:2: unknown key")
	require.True(t, resolves("db"), "nothing has changed")
	metric("rserpool_config_last_reload_successful 0")
	metric(`rserpool_config_reloads_total{result="failed"} 1`)

	write("access:", "- allow all pool web-*", "- deny register", "asap-port: 4000", "log: debug")
	hangup("configuration reloaded")
	require.Contains(t, r.errs.String(), `these take effect with the next start only {"keys": ["asap-port"]}`)
	metric("rserpool_config_last_reload_successful 1")
	metric(`rserpool_config_reloads_total{result="ok"} 1`)
	require.True(t, resolves("web-1"))
	require.Eventually(t, func() bool { return !resolves("db") }, 20*time.Second, 10*time.Millisecond, "it may not be there any more")
	r.awaits(&r.errs, "request rejected pool=db")

	write("access: []", "log: off")
	hangup("reconfigured") // what comes behind is not logged
	serve(t, asapOn(udp), "echo", "--pool", "db")
	require.True(t, resolves("db"))
	size := len(r.errs.String())
	require.True(t, resolves("web-1"))
	require.Len(t, r.errs.String(), size, "nothing is logged any more")

	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, r.ended())
}

// Peers can be added and removed while registrars run.
func TestReloadPeers(t *testing.T) {
	dir, udp, web := t.TempDir(), [2]int{udpPort(t), udpPort(t)}, [2]string{tcpPort(t), tcpPort(t)}
	file := func(i int) string { return filepath.Join(dir, fmt.Sprint("r", i)) }
	write := func(i int, more string) {
		text := fmt.Sprintf("listen: 127.0.0.1@%d\nhttp: 127.0.0.1:%s\nid: %d\nclosed-peers: true\n%s", udp[i], web[i], i+1, more)
		require.NoError(t, os.WriteFile(file(i), []byte(text), 0o600))
	}
	var rs [2]*process
	for i := range rs {
		write(i, "")
		rs[i] = spawnRegistrar(t, "--config", file(i))
	}
	peers := func(i int) int {
		return strings.Count(httpGet(t, "http://127.0.0.1:"+web[i]+"/api/status"), `"state":"active"`)
	}
	require.Zero(t, peers(0))
	for i := range rs {
		write(i, fmt.Sprintf("peer: [127.0.0.1:9901@%d]", udp[1-i]))
		require.NoError(t, rs[i].cmd.Process.Signal(syscall.SIGHUP))
	}
	require.Eventually(t, func() bool { return peers(0) == 1 && peers(1) == 1 }, 20*time.Second, 20*time.Millisecond)
	write(0, "")
	require.NoError(t, rs[0].cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool { return peers(0) == 0 && peers(1) == 0 }, 20*time.Second, 20*time.Millisecond)
}

// SIGHUP has a registrar read certificates, key and authority again, also without a file of
// configuration. A broken file leaves the old ones in force, which the log tells; elements
// that are there stay.
func TestReloadTLS(t *testing.T) {
	udp := udpPort(t)
	oldCert, oldKey := tlsFiles(t)
	newCert, newKey := tlsFiles(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, b, 0o600))
	}
	put(oldCert, cert)
	put(oldKey, key)
	r := spawnRegistrar(t, "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "off", "--profile", "fast",
		"--tls-ca", cert, "--tls-cert", cert, "--tls-key", key)
	hangup := func(log string) {
		t.Helper()
		before := len(r.errs.String())
		require.NoError(t, r.cmd.Process.Signal(syscall.SIGHUP))
		require.Eventually(t, func() bool { return strings.Contains(r.errs.String()[before:], log) }, 20*time.Second, 5*time.Millisecond, log)
	}
	at := []string{"--registrar", fmt.Sprintf("127.0.0.1:3864@%d", udp), "--profile", "fast"}
	resolve := func(ca, timeout string) int {
		return command(t, "", append([]string{"resolve", "Echo", "--timeout", timeout, "--tls-ca", ca}, at...)...).code
	}
	knows := func(ca string, msg ...any) {
		t.Helper()
		require.Equal(t, 0, resolve(ca, "20s"), msg...)
	}
	refuses := func(ca string) {
		t.Helper()
		require.Equal(t, exitFailure, resolve(ca, "1s"))
	}
	serve(t, append(at, "--tls-ca", oldCert, "--tls-cert", oldCert, "--tls-key", oldKey), "echo", "--pool", "Echo")
	knows(oldCert)

	put(newCert, cert)
	hangup("private key does not match public key")
	require.Contains(t, r.errs.String(), "nothing has changed")
	knows(oldCert)
	refuses(newCert)

	put(newKey, key)
	hangup("configuration reloaded")
	knows(newCert, "the element is there still")
	refuses(oldCert)

	require.NoError(t, os.WriteFile(cert, []byte("damaged"), 0o600))
	hangup("no certificate in it")
	knows(newCert)
	require.NoError(t, os.Remove(key))
	hangup("nothing has changed")
	knows(newCert)

	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, r.ended())
}
