//go:build interop

package interop

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/interop/pattern"
)

// These tests are about the rig and the peers, so that a failure elsewhere can be
// laid at our stack's door.

const rigMessages = 20_000

// pair returns the two ends of a transfer in both directions at once.
func pair(server, client []string, port int) (listen, connect transfer) {
	both := transfer{streams: 8, send: rigMessages, recv: rigMessages, unordered: true, limit: 90 * time.Second}
	listen, connect = both, both
	listen.bind, listen.port, listen.seed, listen.peer = server, port, 2, 1
	connect.bind, connect.to, connect.dport, connect.seed, connect.peer = client, server, port, 1, 2
	return listen, connect
}

func TestRigKernelToKernel(t *testing.T) {
	listen, connect := pair(k1.both(), k2.both(), 5101)
	server := listen.start(t, k1, "xfer", "listen")
	client := connect.start(t, k2, "xfer", "connect")
	connect.finished(t, client.wait(t, 90*time.Second))
	listen.finished(t, server.wait(t, 10*time.Second))
}

func TestRigKernelToKernelIPv6(t *testing.T) {
	listen, connect := pair(k1.both6(), k2.both6(), 5102)
	server := listen.start(t, k1, "xfer", "listen")
	client := connect.start(t, k2, "xfer", "connect")
	connect.finished(t, client.wait(t, 90*time.Second))
	listen.finished(t, server.wait(t, 10*time.Second))
}

func TestRigUsrsctpToKernel(t *testing.T) {
	listen, connect := pair([]string{k1.addr()}, []string{"10.99.1.41"}, 5103)
	server := listen.start(t, k1, "xfer", "listen")
	client := connect.startUsrsctp(t, "n1", "connect")
	connect.finished(t, client.wait(t, 90*time.Second))
	listen.finished(t, server.wait(t, 10*time.Second))
}

func TestRigKernelToUsrsctp(t *testing.T) {
	listen, connect := pair([]string{"10.99.1.42"}, []string{k2.addr()}, 5104)
	server := listen.startUsrsctp(t, "n2", "listen")
	client := connect.start(t, k2, "xfer", "connect")
	connect.finished(t, client.wait(t, 90*time.Second))
	listen.finished(t, server.wait(t, 10*time.Second))
}

// A transfer with another seed than the checker's must fail, or the tests above
// prove nothing.
func TestRigTransferNoticesWrongContent(t *testing.T) {
	listen, connect := pair([]string{k1.addr()}, []string{k2.addr()}, 5105)
	listen.peer = 77
	server := listen.start(t, k1, "xfer", "listen")
	connect.start(t, k2, "xfer", "connect")
	server.await(t, "FAILED stream 0 index 0: ppid", 20*time.Second)
}

func TestRigPatternIsTheSameInCAndGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 2))
	for range 200 {
		m := pattern.Message{Seed: rng.Uint64(), Stream: uint16(rng.Uint32()), Index: rng.Uint32()}
		out, err := exec.Command(bin("xfer"), "pattern",
			fmt.Sprint(m.Seed), fmt.Sprint(m.Stream), fmt.Sprint(m.Index)).Output()
		require.NoError(t, err)
		h := fnv.New64a()
		h.Write(m.AppendTo(nil))
		require.Equal(t, fmt.Sprintf("size=%d ppid=%08x fnv=%016x\n", m.Size(), m.PPID(), h.Sum64()), string(out), m)
	}
}

// An unplugged path takes the transfer to the other one.
func TestRigFailoverKernelToKernel(t *testing.T) {
	listen, connect := pair(k1.both(), k2.both(), 5106)
	k2.netem(t, "eth0", "delay", "20ms") // else it is over before the plug is out
	server := listen.start(t, k1, "xfer", "listen")
	client := connect.start(t, k2, "xfer", "connect")
	client.await(t, "received 10 %", 30*time.Second)
	k2.link(t, "a", false)
	require.NotContains(t, client.log(), "received 90 %", "the plug came out too late")
	connect.finished(t, client.wait(t, 90*time.Second))
	listen.finished(t, server.wait(t, 10*time.Second))
}

// checkcap.sh judges what run.sh recorded, so it has to find bad packets among
// those of ours, and must leave those of others alone.
func TestRigCheckcapFindsBadPackets(t *testing.T) {
	abort := []byte{6, 0, 0, 4}
	tooLong := []byte{5, 0, 0, 200, 1, 2, 3, 4}
	for _, c := range []struct {
		name, from string
		chunk      []byte
		spoil      bool
		bad        bool
	}{
		{"good", "10.99.1.1", abort, false, false},
		{"checksum", "10.99.1.1", abort, true, true},
		{"second network", "10.99.2.8", abort, true, true},
		{"malformed", "10.99.1.1", tooLong, false, true},
		{"peer's", "10.99.1.11", tooLong, true, false},
		{"rubbish on purpose", rubbish.addr(), tooLong, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.pcap")
			writeCapture(t, file, packet(t, c.from, c.chunk, c.spoil))
			out, err := exec.Command(filepath.Join(filepath.Dir(os.Getenv("INTEROP_RIG")), "checkcap.sh"), file).CombinedOutput()
			if c.bad {
				require.Error(t, err, "%s", out)
				require.Contains(t, string(out), "1 of them bad")
			} else {
				require.NoError(t, err, "%s", out)
			}
		})
	}
}

// packet is an Ethernet frame with one chunk in SCTP in UDP; spoil damages its
// CRC32c.
func packet(t *testing.T, from string, chunk []byte, spoil bool) []byte {
	t.Helper()
	sctp := append([]byte{0x13, 0x89, 0x13, 0x8a, 0, 0, 0, 1, 0, 0, 0, 0}, chunk...)
	binary.LittleEndian.PutUint32(sctp[8:], crc32.Checksum(sctp, crc32.MakeTable(crc32.Castagnoli)))
	if spoil {
		sctp[8] ^= 0xff
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.ParseIP(from).To4(), DstIP: net.ParseIP("10.99.1.12").To4()}
	udp := &layers.UDP{SrcPort: encapPort, DstPort: encapPort}
	require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
	buf := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buf,
		gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4},
		ip, udp, gopacket.Payload(sctp)))
	return buf.Bytes()
}

func writeCapture(t *testing.T, file string, frame []byte) {
	t.Helper()
	f, err := os.Create(file)
	require.NoError(t, err)
	defer f.Close()
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeEthernet))
	require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(frame), Length: len(frame)}, frame))
}
