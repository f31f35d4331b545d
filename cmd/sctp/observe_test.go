package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier/rawip"
)

// What a command writes with --pcap, the dump command and tshark read; --trace is JSON;
// user data is in neither when the file is redacted.
func TestObserveFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	addr := "127.0.0.1:5000@" + freeUDP(t)
	server := listenNc(t, addr, "--pcap", file("server.pcapng"), "--pcap-redact", "--trace", file("server.json"))
	client := start(t, "nc", addr, "--pcap", file("client.pcapng"), "--trace", file("client.json"), "--trace-packets=false")
	_, err := io.WriteString(client.in, "the secret of the sea\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(server.out.String(), "secret") }, 10*time.Second, 5*time.Millisecond)
	client.wait()
	server.wait()

	for name, want := range map[string]bool{"client": true, "server": false} {
		b, err := os.ReadFile(file(name + ".pcapng"))
		require.NoError(t, err)
		require.Equal(t, want, strings.Contains(string(b), "secret"), name)
		out, err := execute(t, nil, "dump", file(name+".pcapng"))
		require.NoError(t, err)
		for _, chunk := range []string{"INIT ", "INIT-ACK", "COOKIE-ECHO", "COOKIE-ACK", "DATA", "SACK", "SHUTDOWN ", "SHUTDOWN-ACK", "SHUTDOWN-COMPLETE"} {
			require.Contains(t, out, chunk, name)
		}
		require.NotContains(t, out, "MALFORMED", name)
		require.Contains(t, out, "127.0.0.1@"+strings.Split(addr, "@")[1])
		trace, err := os.ReadFile(file(name + ".json"))
		require.NoError(t, err)
		for line := range strings.Lines(string(trace)) {
			require.True(t, json.Valid([]byte(line)), line)
		}
		require.NotContains(t, string(trace), "secret")
		require.Contains(t, string(trace), `"to":"ESTABLISHED"`)
		require.Equal(t, !want, strings.Contains(string(trace), `"kind":"in"`), "--trace-packets")
		if tshark, err := exec.LookPath("tshark"); err == nil {
			out, err := exec.Command(tshark, "-r", file(name+".pcapng"), "-o", "sctp.checksum:CRC 32c", "-d", "udp.port=="+strings.Split(addr, "@")[1]+",sctp",
				"-Y", "_ws.malformed || sctp.checksum.status != 1 || !sctp").Output()
			require.NoError(t, err)
			require.Empty(t, string(out), name)
		}
	}
}

// A file that cannot be written is a failure before anything is sent, and of the
// command if the disk is full later on.
func TestObserveFailures(t *testing.T) {
	_, err := execute(t, strings.NewReader(""), "nc", "127.0.0.1:5000@"+freeUDP(t), "--pcap", filepath.Join(t.TempDir(), "none", "x"))
	require.ErrorIs(t, err, os.ErrNotExist)
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	addr := "127.0.0.1:5000@" + freeUDP(t)
	server := listenNc(t, addr, "--trace", "/dev/full")
	client := start(t, "nc", addr)
	require.NoError(t, client.in.Close())
	require.NoError(t, server.in.Close())
	require.ErrorContains(t, <-server.done, "no space left")
	require.NoError(t, <-client.done)
}

// perf serves its counters while it runs.
func TestPerfMetrics(t *testing.T) {
	at := "127.0.0.1:" + freeUDP(t) // nor is it one that TCP gives to whoever asks for any
	l, err := net.Listen("tcp", at)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	s, addr := perfServer(t, "--metrics", at)
	_, err = execute(t, strings.NewReader(""), "perf", "client", addr, "pingpong", "64", "10")
	require.NoError(t, err)
	r, err := http.Get("http://" + at + "/metrics")
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Contains(t, string(b), "\nsctp_messages_total{direction=\"in\"} 11\n")
	require.Contains(t, s.wait(), "rx_msgs")
}

// SCTP directly over IP is captured as such: IP protocol 132, no UDP ports.
func TestPcapDirectlyOverIP(t *testing.T) {
	ip := netip.AddrFrom4([4]byte{127, 133, byte(rand.N(256)), byte(1 + rand.N(254))})
	probe, err := rawip.Listen(ip, nil)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, probe.Close())
	addr := fmt.Sprintf("%v:%d", ip, 30_000+rand.N(10_000))
	s := start(t, "perf", "server", addr, "--ip")
	require.Eventually(t, func() bool { return s.out.String() == "ready\n" }, 10*time.Second, 2*time.Millisecond)
	file := filepath.Join(t.TempDir(), "x.pcapng")
	_, err = execute(t, strings.NewReader(""), "perf", "client", addr, "pingpong", "64", "10", "--ip", "--pcap", file)
	require.NoError(t, err)
	s.wait()
	out, err := execute(t, nil, "dump", file)
	require.NoError(t, err)
	require.Contains(t, out, " > "+addr+" ")
	require.NotContains(t, out, "@")
	require.NotContains(t, out, "MALFORMED")
	require.GreaterOrEqual(t, strings.Count(out, "DATA"), 20)
}
