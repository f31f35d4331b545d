package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/sctp/wire"
)

// The commands of a pool write what their stacks send: an element its registration, a
// user its resolution and what it says, the registrar both.
func TestPoolCommandsAreCaptured(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ports, err := freePorts(1)
	require.NoError(t, err)
	r := start(t, "registrar", "--listen", "127.0.0.1@"+strconv.Itoa(ports[0]), "--profile", "fast", "--http", "off", "--log", "off",
		"--pcap", file("registrar"), "--trace", file("registrar.json"))
	r.await("ready")
	flags := []string{"--registrar", "127.0.0.1:3863@" + strconv.Itoa(ports[0]), "--profile", "fast"}
	e, _ := serve(t, flags, "echo", "--pool", "P", "--pcap", file("element"))
	require.Equal(t, "hello\n", ok(t, "hello\n", append(flags, "call", "P", "--pcap", file("user"), "--trace", file("user.json"))...))
	require.Equal(t, 0, e.stop().code)
	require.Equal(t, 0, r.stop().code)
	for name, want := range map[string][]string{
		"registrar": {"REGISTRATION", "REGISTRATION_RESPONSE", "HANDLE_RESOLUTION", "HANDLE_RESOLUTION_RESPONSE", "DEREGISTRATION"},
		"element":   {"REGISTRATION", "REGISTRATION_RESPONSE", "DEREGISTRATION", "hello"},
		"user":      {"HANDLE_RESOLUTION", "HANDLE_RESOLUTION_RESPONSE", "hello"},
	} {
		seen := capturedMessages(t, file(name))
		for _, w := range want {
			require.Contains(t, seen, w, name)
		}
	}
	for _, name := range []string{"registrar.json", "user.json"} {
		b, err := os.ReadFile(file(name))
		require.NoError(t, err)
		require.Contains(t, string(b), `"to":"ESTABLISHED"`)
		require.NotContains(t, string(b), "hello")
	}
}

// capturedMessages names the ASAP messages of a capture and shows the first line of
// others.
func capturedMessages(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	var seen []string
	for {
		b, _, err := r.ReadPacketData()
		if err != nil {
			return seen
		}
		udp, ok := gopacket.NewPacket(b, layers.LinkTypeRaw, gopacket.NoCopy).Layer(layers.LayerTypeUDP).(*layers.UDP)
		require.True(t, ok)
		pkt, err := wire.Parse(udp.Payload)
		require.NoError(t, err)
		for c := range pkt.Chunks() {
			var d wire.Data
			switch {
			case c.Type() != wire.TypeData || d.Decode(c) != nil:
			case uint32(d.PPID) != uint32(asap.PPID):
				line, _, _ := bytes.Cut(d.Payload, []byte("\n"))
				seen = append(seen, string(line))
			default:
				if m, err := asap.Decode(d.Payload); err == nil {
					name, _, _ := strings.Cut(m.String(), " ")
					seen = append(seen, name)
				}
			}
		}
	}
}

// A file that cannot be made is a failure of every command, before it does anything.
func TestPoolCommandsCannotCapture(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none", "x")
	for _, args := range []string{"registrar --listen 127.0.0.1@0 --http off", "serve echo --pool P --listen 127.0.0.1@0", "call P", "resolve P"} {
		res := command(t, "", append(strings.Fields(args), "--log", "off", "--pcap", none)...)
		require.Equal(t, 1, res.code, args)
		require.Contains(t, res.err, "no such file", args)
	}
}
