package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
)

// loopback is the name of the loopback interface.
func loopback(t *testing.T) string {
	t.Helper()
	ifs, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i.Name
		}
	}
	t.Skip("no loopback interface")
	return ""
}

// peersOf are the other registrars that a registrar is connected with.
func peersOf(t *testing.T, http string) (ids []string) {
	t.Helper()
	var s registrar.Status
	if err := json.Unmarshal([]byte(get(t, http, "/api/status")), &s); err != nil {
		return nil
	}
	for _, p := range s.Peers {
		if p.Connected && p.State == "active" {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// get returns a page of a registrar, nothing if there is none.
func get(t *testing.T, host, path string) string {
	t.Helper()
	r, err := http.Get("http://" + host + path)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// Nobody knows an address: two registrars find each other, the element finds one, the user
// too, and when the element's registrar is killed it finds the other.
func TestDiscoverProcesses(t *testing.T) {
	lo := loopback(t)
	ports, err := freePorts(4)
	require.NoError(t, err)
	groups := []string{"--announce-interface", lo, "--announce-asap", fmt.Sprintf("239.0.0.50:%d", ports[2])}
	start := func(i int) (*process, string) {
		at := "127.0.0.1:" + tcpPort(t)
		return spawnRegistrar(t, append([]string{
			"--listen", fmt.Sprintf("127.0.0.1@%d", ports[i]), "--id", fmt.Sprint(i + 1), "--http", at,
			"--announce", "on", "--announce-enrp", fmt.Sprintf("239.0.0.51:%d", ports[3]),
		}, groups...)...), at
	}
	first, at1 := start(0)
	second, at2 := start(1)
	require.Eventually(t, func() bool {
		return len(peersOf(t, at1)) == 1 && len(peersOf(t, at2)) == 1
	}, 20*time.Second, 50*time.Millisecond, "%s\n%s", &first.errs, &second.errs)

	discover := append([]string{"--discover", "--profile", "fast"}, groups...)
	e := spawn(t, append([]string{"serve", "echo", "--pool", "p", "--listen", "127.0.0.1@0", "--log", "debug"}, discover...)...)
	e.awaits(&e.out, "registered 0x")
	require.Equal(t, "hello\n", ok(t, "hello\n", append([]string{"call", "p"}, discover...)...))

	var dead, alive *process
	var at string
	for _, p := range []struct {
		p, other *process
		id, at   string
	}{{first, second, "0x00000001", at2}, {second, first, "0x00000002", at1}} {
		if strings.Contains(ok(t, "", append([]string{"resolve", "p", "--json"}, discover...)...), `"home":"`+p.id) {
			dead, alive, at = p.p, p.other, p.at
		}
	}
	require.NotNil(t, dead)
	dead.kill()
	require.Eventually(t, func() bool {
		s := get(t, at, "/api/status")
		return strings.Contains(s, `"home":"0x0000000`) && len(peersOf(t, at)) == 0 && strings.Contains(s, `"connected":true`)
	}, 20*time.Second, 50*time.Millisecond, "%s\n%s", &alive.errs, &e.errs)
	require.Equal(t, "again\n", ok(t, "again\n", append([]string{"call", "p"}, discover...)...))
}

// Who finds nobody says so, and does not take for ever.
func TestDiscoverNobody(t *testing.T) {
	ports, err := freePorts(1)
	require.NoError(t, err)
	start := time.Now()
	r := command(t, "", "resolve", "p", "--profile", "fast", "--discover", "--announce-interface", loopback(t),
		"--announce-asap", fmt.Sprintf("239.0.0.50:%d", ports[0]))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "no registrar")
	require.Greater(t, time.Since(start), 2*time.Second, "it listens as long as an announcement is valid")
	require.Less(t, time.Since(start), 40*time.Second)
}
