package sctp_test

import (
	"bytes"
	"io"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

// recorder is a capture.Sink that remembers.
type recorder struct {
	mu  sync.Mutex
	all []capture.Packet
}

func (r *recorder) Capture(p capture.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Data = bytes.Clone(p.Data)
	r.all = append(r.all, p)
}

// sent returns the packets that went out, or came in, in their order.
func (r *recorder) sent(out bool) []capture.Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []capture.Packet
	for _, p := range r.all {
		if p.Out == out {
			some = append(some, p)
		}
	}
	return some
}

// What one stack captures as sent the other one captures as received, and each packet
// that the stacks have counted is there: of handshakes, of associations and out of the
// blue.
func TestCaptureSeesEveryPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client, server recorder
		w := newWorld(t, worldOption{clientStack: sctp.StackConfig{Capture: &client}, serverStack: sctp.StackConfig{Capture: &server}})
		c, s := w.pair()
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: make([]byte, 100_000)}))
		receive(t, s)
		_, err := w.client.Dial(t.Context(), &sctp.Addr{IPs: w.addr().IPs, Port: 99}, nil)
		require.Error(t, err)
		require.NoError(t, c.Close())
		time.Sleep(time.Second)
		cs, ss := w.client.Stats(), w.server.Stats()
		require.Len(t, client.sent(true), int(cs.PacketsOut))
		require.Len(t, client.sent(false), int(cs.PacketsIn))
		require.Len(t, server.sent(true), int(ss.PacketsOut))
		require.Len(t, server.sent(false), int(ss.PacketsIn))
		for _, pair := range [][2][]capture.Packet{{client.sent(true), server.sent(false)}, {server.sent(true), client.sent(false)}} {
			require.Equal(t, len(pair[0]), len(pair[1]))
			for i, out := range pair[0] {
				in := pair[1][i]
				require.Equal(t, out.Data, in.Data)
				require.Equal(t, delay, in.Time.Sub(out.Time))
				require.Equal(t, out.Local, in.Remote)
				require.Equal(t, out.Remote, in.Local)
				_, err := wire.Parse(out.Data)
				require.NoError(t, err, "runs of segments are taken apart")
			}
		}
	})
}

// What is dropped as damaged is captured, too: that is what captures are for.
func TestCaptureSeesDamagedPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server recorder
		w := newWorld(t, worldOption{link: simnet.Link{Delay: delay, Corrupt: 0.5}, serverStack: sctp.StackConfig{Capture: &server}})
		_, err := w.client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		time.Sleep(time.Hour) // heartbeats
		st := w.server.Stats()
		require.NotZero(t, st.BadChecksum)
		bad := 0
		for _, p := range server.sent(false) {
			if !wire.VerifyChecksum(p.Data) {
				bad++
			}
		}
		require.EqualValues(t, st.BadChecksum, bad)
	})
}

// On real sockets, with offload, a file holds every packet; another program's reader
// finds them.
func TestCaptureFileOfALoopbackTransfer(t *testing.T) {
	ip := netip.MustParseAddr("127.0.0.1")
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, &capture.Options{Buffer: 64 << 20})
	require.NoError(t, err)
	server, err := sctp.NewStack(&sctp.StackConfig{})
	require.NoError(t, err)
	defer server.Close()
	l, err := server.Listen(nil, nil)
	require.NoError(t, err)
	go serveEcho(l)
	client, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{ip}, Capture: w})
	require.NoError(t, err)
	to := &sctp.Addr{IPs: []netip.Addr{ip}, Port: l.Addr().(*sctp.Addr).Port, UDPPort: server.UDPPort()}
	a, err := client.Dial(t.Context(), to, nil)
	require.NoError(t, err)
	message := bytes.Repeat([]byte("0123456789"), 100_000)
	require.NoError(t, a.Send(t.Context(), &sctp.Message{Data: message}))
	require.True(t, bytes.Equal(message, receive(t, a).Data))
	require.NoError(t, a.Close())
	udpPort := client.UDPPort()
	require.NoError(t, client.Close())
	st := client.Stats()
	require.NoError(t, w.Close())
	require.Zero(t, w.Dropped())
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	var in, out int64
	for {
		b, info, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), info.Timestamp, time.Minute)
		p := gopacket.NewPacket(b, layers.LinkTypeRaw, gopacket.NoCopy)
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		require.True(t, ok)
		pkt, err := wire.Parse(udp.Payload)
		require.NoError(t, err)
		if udp.SrcPort == layers.UDPPort(udpPort) {
			out++
			require.Equal(t, to.Port, pkt.DstPort)
		} else {
			in++
			require.EqualValues(t, to.UDPPort, udp.SrcPort)
		}
	}
	require.Equal(t, st.PacketsOut, out)
	require.Equal(t, st.PacketsIn, in)
}
