//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
)

// serve starts a service of ours at host h, on UDP port udp, registered at a
// registrar (address of a guest or of a host).
func serve(t testing.TB, h host, udp int, service, pool string, id uint32, registrar string, more ...string) *process {
	t.Helper()
	args := append([]string{bin("rserpool"), "serve", service, "--pool", pool, "--id", fmt.Sprintf("%x", id),
		"--registrar", fmt.Sprintf("%s:%d", registrar, asapPort), "--listen", fmt.Sprintf("%s@%d", h.addr(), udp),
		"--profile", "rsplib", "--log", "debug"}, more...)
	p := startHost(t, args...)
	p.await(t, fmt.Sprintf("registered 0x%08x", id), 20*time.Second)
	return p
}

// ourRegistrar starts a registrar of ours at host h.
func ourRegistrar(t testing.TB, h host, id uint32, more ...string) *process {
	t.Helper()
	args := append([]string{bin("rserpool"), "registrar", "--listen", h.addr(), "--id", fmt.Sprintf("%x", id),
		"--profile", "rsplib", "--announce", "off"}, more...)
	p := startHost(t, args...)
	t.Cleanup(func() {
		if t.Failed() { // what it made of elements and peers
			out, _ := exec.Command(bin("rserpool"), "status", "--json").Output()
			var s registrar.Status
			_ = json.Unmarshal(out, &s)
			t.Logf("%+v\n%+v", s.Peers, s.Pools)
			for _, e := range s.Events {
				t.Logf("%+v", e)
			}
		}
	})
	p.await(t, "ready", 20*time.Second)
	return p
}

// keepAlives counts the keep-alives and their acknowledgements between two
// addresses in a capture.
func keepAlives(t testing.TB, file, element string) (sent, acked int) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", file, "-Y", "asap", "-T", "fields", "-e", "ip.src", "-e", "asap.message_type").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		for kind := range strings.SplitSeq(f[1], ",") {
			switch {
			case kind == "7" && f[0] != element:
				sent++
			case kind == "8" && f[0] == element:
				acked++
			}
		}
	}
	return sent, acked
}

func TestOurElementAtRspregistrar(t *testing.T) {
	inScope(t)
	startRegistrar(t, r1, 0x11111111)
	h := newHost(t)
	file := capture(t, "keepalives", "host "+h.addr())
	serve(t, h, encapPort, "pingpong", "OursPing", 0x77770001, r1.addr())
	eventuallyKnows(t, r3, r1.addr(), 0x77770001, 15*time.Second)
	out, _ := r3.run(25*time.Second, "timeout", "-s", "INT", "8", "pingpongclient", "-poolhandle=OursPing",
		fmt.Sprintf("-registrar=%s:%d", r1.addr(), asapPort), "-asapannounce=off")
	require.Contains(t, out, "Ack #3", "rsplib's user is served by our element")
	// Five keep-alives at one every 1.5 s, and it is still there.
	time.Sleep(6 * time.Second)
	eventuallyKnows(t, r3, r1.addr(), 0x77770001, 5*time.Second)
	rig(t, "endcapture", "keepalives")
	sent, acked := keepAlives(t, file, h.addr())
	require.GreaterOrEqual(t, sent, 5)
	require.GreaterOrEqual(t, acked, 5)
}

func TestOurElementServesRspterminal(t *testing.T) {
	inScope(t)
	startRegistrar(t, r1, 0x11111111)
	h := newHost(t)
	serve(t, h, encapPort, "echo", "OursEcho", 0x77770002, r1.addr())
	out, _ := r3.run(30*time.Second, "sh", "-c", fmt.Sprintf(
		"(sleep 2; echo hello from rsplib; sleep 4) | timeout 12 rspterminal -poolhandle=OursEcho -registrar=%s:%d -asapannounce=off -loglevel=3 -logcolor=off", r1.addr(), asapPort))
	require.Contains(t, out, "hello from rsplib")
}

// The UDP Port parameter must not disturb rsplib's registrar, wherever it stands
// (docs/udp-port-parameter.md).
func TestUDPPortParameterIsAcceptedByRspregistrar(t *testing.T) {
	inScope(t)
	startRegistrar(t, r1, 0x11111111)
	h := newHost(t)
	file := capture(t, "udpport", "host "+h.addr())
	p := serve(t, h, 9900, "echo", "OursPort", 0x77770003, r1.addr())
	eventuallyKnows(t, r3, r1.addr(), 0x77770003, 15*time.Second)
	rig(t, "endcapture", "udpport")
	out, err := exec.Command(bin("sctp"), "dump", file).Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "9900")
	require.NotContains(t, p.log(), "rejected")
}

func TestRspserverAtOurRegistrar(t *testing.T) {
	inScope(t)
	reg := newHost(t)
	ourRegistrar(t, reg, 0x99990001)
	startElement(t, r2, "element", "echo", "TheirEcho", 0xb001, "RoundRobin", reg.addr())
	user := newHost(t)
	at := fmt.Sprintf("%s:%d", reg.addr(), asapPort)
	require.Eventually(t, func() bool {
		out, err := exec.Command(bin("rserpool"), "resolve", "TheirEcho", "--json", "--registrar", at).Output()
		return err == nil && strings.Contains(string(out), "0x0000b001")
	}, 20*time.Second, 500*time.Millisecond)
	out := call(t, user, "TheirEcho", at, "hello rspserver\nsecond line\n")
	require.Contains(t, out, "hello rspserver")
	require.Contains(t, out, "second line")
	// It stays through several keep-alives of ours.
	time.Sleep(12 * time.Second)
	require.Contains(t, call(t, user, "TheirEcho", at, "still there\n"), "still there")
}

// call sends lines to a pool and returns the replies.
func call(t testing.TB, _ host, pool, registrar, lines string, more ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin("rserpool"), append([]string{"call", pool, "--registrar", registrar}, more...)...)
	cmd.Stdin = strings.NewReader(lines)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

func TestOurRegistrarBesideRspregistrar(t *testing.T) {
	inScope(t)
	h := newHost(t)
	startRegistrar(t, r1, 0x11111111, h.addr())
	ourRegistrar(t, h, 0x99990002, "--peer", fmt.Sprintf("%s:%d", r1.addr(), enrpPort))
	// An element of theirs at their registrar is seen at ours, and the reverse.
	startElement(t, r2, "theirs", "echo", "Mixed", 0xc001, "RoundRobin", r1.addr())
	at := fmt.Sprintf("%s:%d", h.addr(), asapPort)
	known := func(registrar string, ids ...string) func() bool {
		return func() bool {
			out, err := exec.Command(bin("rserpool"), "resolve", "Mixed", "--json", "--registrar", registrar).Output()
			var r struct {
				Elements []struct {
					ID string `json:"id"`
				} `json:"elements"`
			}
			if err != nil || json.Unmarshal(out, &r) != nil || len(r.Elements) != len(ids) {
				return false
			}
			return true
		}
	}
	require.Eventually(t, known(at, "0x0000c001"), 30*time.Second, 500*time.Millisecond)
	e := newHost(t)
	serve(t, e, encapPort, "echo", "Mixed", 0xc002, h.addr())
	eventuallyKnows(t, r3, r1.addr(), 0xc002, 20*time.Second)
	require.Eventually(t, known(fmt.Sprintf("%s:%d", r1.addr(), asapPort), "0x0000c001", "0x0000c002"), 10*time.Second, 500*time.Millisecond)
}
