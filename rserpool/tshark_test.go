package rserpool_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// Wireshark's dissectors are written by others: they find nothing malformed in
// messages with everything in them that we can write.
func TestTsharkFindsNothingMalformed(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	encapsulated := sctpUser.Clone()
	encapsulated.UDPPort = 9900
	encapsulated.Addrs = addrs("10.0.0.21", "2001:db8::1")
	pe := element
	pe.User, pe.ASAP = encapsulated, &encapsulated
	var es []rserpool.PoolElement
	for _, p := range []string{"RR", "WRR:3", "RAND", "WRAND:2", "PRIO:7", "LU load=0.5", "LUD:0.1", "PLU:0.1", "RLU"} {
		pe.Policy, err = rserpool.ParsePolicy(p)
		require.NoError(t, err)
		es = append(es, pe)
	}
	for _, proto := range []rserpool.Protocol{rserpool.ProtoTCP, rserpool.ProtoUDP, rserpool.ProtoUDPLite, rserpool.ProtoDCCP} {
		pe.User = rserpool.Transport{Protocol: proto, Port: 80, Addrs: addrs("192.0.2.1")}
		es = append(es, pe)
	}
	causes := []rserpool.Cause{
		{Code: rserpool.CauseUnrecognizedParameter, Info: []byte{0x40, 0xfe, 0, 4}},
		{Code: rserpool.CauseUnknownPoolHandle},
		rserpool.PolicyCause(pe.Policy),
	}
	info := rserpool.ServerInfo{ID: 1, Transport: encapsulated}
	policy := &es[1].Policy
	const h = rserpool.PoolHandle("ProbePool")
	messages := map[string][]message{
		"asap": {
			&asap.Registration{Handle: h, Element: es[0]},
			&asap.Deregistration{Handle: h, PEID: 7},
			&asap.RegistrationResponse{Reject: true, Handle: h, PEID: 7, Causes: causes},
			&asap.DeregistrationResponse{Handle: h, PEID: 7, Causes: causes},
			&asap.HandleResolution{Subscribe: true, Handle: h, HasItems: true, Items: 3},
			&asap.HandleResolutionResponse{AcceptUpdate: true, Handle: h, Policy: policy, Elements: es},
			&asap.HandleResolutionResponse{Handle: h, Causes: causes},
			&asap.EndpointKeepAlive{Home: true, Server: 1, Handle: h, HasPEID: true, PEID: 7},
			&asap.EndpointKeepAliveAck{Handle: h, PEID: 7},
			&asap.EndpointUnreachable{Handle: h, PEID: 7},
			&asap.ServerAnnounce{Server: 1, Transports: []rserpool.Transport{es[9].User, encapsulated}},
			&asap.Cookie{Cookie: []byte("odd")},
			&asap.CookieEcho{Cookie: []byte("cookie!")},
			&asap.BusinessCard{Handle: h, Elements: es},
			&asap.Error{Causes: causes},
		},
		"enrp": {
			&enrp.Presence{Sender: 1, ReplyRequired: true, HasChecksum: true, Server: &info},
			&enrp.HandleTableRequest{Sender: 1, OwnOnly: true},
			&enrp.HandleTableResponse{Sender: 1, More: true, Pools: []enrp.PoolEntries{{Handle: h, Elements: es}, {Handle: "x", Elements: es}}},
			&enrp.HandleUpdate{Sender: 1, Handle: h, Element: es[0]},
			&enrp.ListRequest{Sender: 1},
			&enrp.ListResponse{Sender: 1, Servers: []rserpool.ServerInfo{info, info}},
			&enrp.InitTakeover{Sender: 1, Target: 2},
			&enrp.InitTakeoverAck{Sender: 1, Target: 2},
			&enrp.TakeoverServer{Sender: 1, Target: 2},
			&enrp.Error{Sender: 1, Causes: causes},
		},
	}
	file := filepath.Join(t.TempDir(), "messages.pcap")
	n := writePcap(t, file, messages)
	out, err := exec.Command(tshark, "-r", file, "-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed", "-e", "_ws.expert.message").Output()
	if err != nil {
		t.Skip("tshark does not run here:", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, n)
	for i, line := range lines {
		fields := strings.Split(line, "\t")
		require.Regexp(t, "(asap|enrp)$", strings.TrimRight(fields[0], "\t"), "packet %d: %s", i, line)
		require.Empty(t, strings.Join(fields[1:], ""), "packet %d: %s", i, line)
	}
}

// writePcap writes the messages as UDP datagrams and returns how many there are.
func writePcap(t *testing.T, file string, messages map[string][]message) int {
	f, err := os.Create(file)
	require.NoError(t, err)
	defer f.Close()
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	n := 0
	for proto, port := range map[string]uint16{"asap": asap.Port, "enrp": enrp.Port} {
		for _, m := range messages[proto] {
			require.NoError(t, m.Validate())
			ip := &layers.IPv4{
				Version: 4, TTL: 30, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(10, 0, 0, 1), DstIP: net.IPv4(239, 0, 0, 50),
			}
			udp := &layers.UDP{SrcPort: layers.UDPPort(port), DstPort: layers.UDPPort(port)}
			require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
			buf := gopacket.NewSerializeBuffer()
			opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
			require.NoError(t, gopacket.SerializeLayers(buf, opts, ip, udp, gopacket.Payload(m.AppendTo(nil))))
			at := gopacket.CaptureInfo{Timestamp: time.Unix(int64(n), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
			require.NoError(t, w.WritePacket(at, buf.Bytes()))
			n++
		}
	}
	return n
}
