package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
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

// S2: with all logs at debug level, of registrars, elements that give up now and then,
// and a user whose session moves between them with its cookie, no log holds a
// verification tag of any association, a State Cookie, the session's cookie, the key that
// seals it, or what the user says.
func TestS2CommandLogsHoldNoSecrets(t *testing.T) {
	dir := t.TempDir()
	ports, err := freePorts(2)
	require.NoError(t, err)
	const marker = "SeCrEt-WoRdS"
	key := []byte("0123456789ABCDEF0123456789abcdef")
	keyFile := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(keyFile, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600))
	var pcaps []string
	debug := func(more ...string) []string {
		pcaps = append(pcaps, filepath.Join(dir, strconv.Itoa(len(pcaps))+".pcapng"))
		return append([]string{"--log", "debug", "--log-format", "json", "--profile", "fast", "--pcap", pcaps[len(pcaps)-1]}, more...)
	}
	logs := map[string]string{}
	var servers []*server
	var known []string
	for i := range ports {
		r := start(t, debug("registrar", "--listen", "127.0.0.1@"+strconv.Itoa(ports[i]), "--http", "off", "--state", filepath.Join(dir, "state"+strconv.Itoa(i)),
			"--snapshot=100ms", "--peer", "127.0.0.1:9901@"+strconv.Itoa(ports[1-i]))...)
		known = append(known, "--registrar", "127.0.0.1:3863@"+strconv.Itoa(ports[i]))
		servers = append(servers, r)
	}
	for _, r := range servers {
		r.await("ready")
	}
	for range 2 {
		e := start(t, append(debug("serve", "pingpong", "--pool", "P", "--listen", "127.0.0.1@0", "--fail-after", "3", "--cookie-key", keyFile), known...)...)
		e.await("registered")
		servers = append(servers, e)
	}
	call := command(t, strings.Repeat(marker+"\n", 10), append(debug("call", "P", "--pingpong"), known...)...)
	require.Equal(t, 0, call.code, call.err)
	logs["user"] = call.err
	for i := len(servers) - 1; i >= 0; i-- {
		logs["server "+strconv.Itoa(i)] = servers[i].stop().err
	}
	require.Contains(t, logs["user"], "fail-over")
	require.Contains(t, logs["server 0"]+logs["server 1"], "peer up")

	secrets := map[string]string{marker: "words"}
	add := func(what string, b []byte) {
		secrets[string(b)], secrets[hex.EncodeToString(b)] = what, what
		secrets[base64.StdEncoding.EncodeToString(b)[:len(b)/3*4]] = what
	}
	add("key", key)
	cookies, tags := 0, 0
	var packets []wire.Packet
	for _, pcap := range pcaps {
		packets = append(packets, capturedPackets(t, pcap)...)
	}
	for _, pkt := range packets {
		if pkt.VTag != 0 {
			add("tag", binary.BigEndian.AppendUint32(nil, uint32(pkt.VTag)))
			secrets[strconv.FormatUint(uint64(pkt.VTag), 10)] = "tag"
			tags++
		}
		for c := range pkt.Chunks() {
			var d wire.Data
			var i wire.Init
			switch {
			case c.Type() == wire.TypeInitAck && i.Decode(c) == nil:
				add("State Cookie", i.Cookie[:24])
				add("State Cookie", i.Cookie[len(i.Cookie)-24:])
			case c.Type() == wire.TypeData && d.Decode(c) == nil && uint32(d.PPID) == uint32(asap.PPID):
				if m, err := asap.Decode(d.Payload); err == nil && m.Type() == asap.TypeCookie {
					add("session cookie", m.(*asap.Cookie).Cookie)
					cookies++
				}
			}
		}
	}
	require.NotZero(t, cookies)
	require.Greater(t, tags, 20)
	for who, log := range logs {
		require.NotEmpty(t, log, who)
		for s, what := range secrets {
			require.False(t, strings.Contains(log, s), "%s in the log of the %s", what, who)
		}
	}
}

// capturedMessages names the ASAP messages of a capture and shows the first line of
// others.
func capturedMessages(t *testing.T, file string) (seen []string) {
	t.Helper()
	for _, pkt := range capturedPackets(t, file) {
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
	return seen
}

// capturedPackets returns the SCTP packets of a capture.
func capturedPackets(t *testing.T, file string) (all []wire.Packet) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	for {
		b, _, err := r.ReadPacketData()
		if err != nil {
			return all
		}
		udp, ok := gopacket.NewPacket(b, layers.LinkTypeRaw, gopacket.NoCopy).Layer(layers.LayerTypeUDP).(*layers.UDP)
		require.True(t, ok)
		pkt, err := wire.Parse(udp.Payload)
		require.NoError(t, err)
		all = append(all, pkt)
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
