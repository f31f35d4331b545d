package interop

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/sctp"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// pionPort is the SCTP port of both ends: pion/sctp has no other.
const pionPort = 5000

// Roles of our end.
const (
	client = "client"
	server = "server"
)

// A pair is an association between us and pion.
type pair struct {
	ours   *sctp.Association
	theirs *pion.Association
}

// options are what varies between the tests.
type options struct {
	ours sctp.Config
	loss float64 // of what pion sends and receives
	more []pion.AssociationOption
}

// meet sets up an association with us in the role given. pion has one packet per
// datagram on a connected UDP socket of its own.
func meet(ctx context.Context, t *testing.T, role string, o options) pair {
	t.Helper()
	stack, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = stack.Close() })
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	conn := &oneToOne{UDPConn: udp, peer: stack.LocalAddrs()[0], loss: o.loss, rng: rand.New(rand.NewPCG(7, 7))}
	log := logging.NewDefaultLoggerFactory()
	log.DefaultLogLevel = logging.LogLevelDisabled
	opts := append([]pion.AssociationOption{pion.WithNetConn(conn), pion.WithLoggerFactory(log), pion.WithMTU(1400),
		pion.WithMaxReceiveBufferSize(1 << 20), pion.WithMaxMessageSize(4 << 20), pion.WithBlockWrite(true)}, o.more...)

	var p pair
	met := make(chan error, 1)
	if role == client {
		o.ours.LocalPort = pionPort
		go func() {
			var so []pion.ServerOption
			for _, v := range opts {
				so = append(so, v)
			}
			var err error
			p.theirs, err = pion.ServerWithOptions(so...)
			met <- err
		}()
		to := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		p.ours, err = stack.Dial(ctx, &sctp.Addr{IPs: []netip.Addr{to.Addr()}, UDPPort: to.Port(), Port: pionPort}, &o.ours)
	} else {
		var l *sctp.Listener
		l, err = stack.Listen(&sctp.Addr{Port: pionPort}, &o.ours)
		require.NoError(t, err)
		go func() {
			var co []pion.ClientOption
			for _, v := range opts {
				co = append(co, v)
			}
			var err error
			p.theirs, err = pion.ClientContext(ctx, co...)
			met <- err
		}()
		p.ours, err = l.AcceptSCTP(ctx)
	}
	require.NoError(t, err)
	require.NoError(t, <-met)
	t.Cleanup(func() {
		_ = p.ours.Close()
		_ = p.theirs.Close()
	})
	return p
}

// oneToOne is a UDP socket with one peer, as pion wants it, that loses packets of
// both directions by a seed.
type oneToOne struct {
	*net.UDPConn
	peer netip.AddrPort
	loss float64
	mu   sync.Mutex
	rng  *rand.Rand
}

func (c *oneToOne) lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Float64() < c.loss
}

func (c *oneToOne) Read(b []byte) (int, error) {
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil || from == c.peer && !c.lost() {
			return n, err
		}
	}
}

func (c *oneToOne) Write(b []byte) (int, error) {
	if c.lost() {
		return len(b), nil
	}
	return c.WriteToUDPAddrPort(b, c.peer)
}

func (c *oneToOne) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.peer) }

// eachRole runs a test with us as the client and as the server.
func eachRole(t *testing.T, f func(ctx context.Context, t *testing.T, role string)) {
	t.Helper()
	for _, role := range []string{client, server} {
		t.Run("we are the "+role, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			f(ctx, t, role)
		})
	}
}

func TestPionTransfer(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		x := transfer{count: 20_000, streams: 8}
		x.run(ctx, t, meet(ctx, t, role, options{}))
	})
}

// pion offers message interleaving and checksums of zero, which we do not take.
func TestPionTransferWithExtensionsOffered(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		x := transfer{count: 5000, streams: 8}
		x.run(ctx, t, meet(ctx, t, role, options{more: []pion.AssociationOption{
			pion.WithEnableInterleaving(true), pion.WithEnableZeroChecksum(true)}}))
	})
}

func TestPionTransferUnderLoss(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		x := transfer{count: 3000, streams: 8}
		p := meet(ctx, t, role, options{loss: 0.05, ours: sctp.Config{RTOMin: 200 * time.Millisecond}})
		x.run(ctx, t, p)
		require.Positive(t, p.ours.Stats().Retransmitted)
	})
}

func TestPionLargeMessages(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		x := transfer{count: 8, streams: 2, size: 1 << 20}
		x.run(ctx, t, meet(ctx, t, role, options{more: []pion.AssociationOption{pion.WithMaxReceiveBufferSize(4 << 20)}}))
	})
}

func TestPionManyStreams(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		x := transfer{count: 5000, streams: 100}
		x.run(ctx, t, meet(ctx, t, role, options{ours: sctp.Config{OutStreams: 100}}))
	})
}

// We read nothing for three seconds: the window closes, and opens again.
func TestPionMeetsAClosedWindow(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		x := transfer{count: 3000, streams: 4, pause: 3 * time.Second}
		x.run(ctx, t, meet(ctx, t, role, options{ours: sctp.Config{RecvBuffer: 32 << 10}}))
	})
}

func TestPionShutsDown(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		p := meet(ctx, t, role, options{})
		require.NoError(t, p.theirs.Shutdown(ctx))
		_, err := p.ours.Receive(ctx, make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.ErrorIs(t, p.ours.Send(ctx, &sctp.Message{Data: []byte("late")}), sctp.ErrShutdown)
	})
}

func TestPionAborts(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		p := meet(ctx, t, role, options{})
		p.theirs.Abort("enough")
		_, err := p.ours.Receive(ctx, make([]byte, 1))
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
		require.False(t, abort.Local)
		require.Equal(t, "enough", string(abort.Reason()))
	})
}

func TestWeAbortPion(t *testing.T) {
	eachRole(t, func(ctx context.Context, t *testing.T, role string) {
		p := meet(ctx, t, role, options{})
		s, err := p.theirs.OpenStream(0, 0)
		require.NoError(t, err)
		require.NoError(t, p.ours.Abort("enough"))
		_, _, err = s.ReadSCTP(make([]byte, 1))
		require.ErrorContains(t, err, "enough")
	})
}
