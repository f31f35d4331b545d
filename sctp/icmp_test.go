package sctp_test

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// RFC 6951 §5.5: the host of the peer says that nobody has its UDP port. That fails
// a Dial as an ABORT would (RFC 9260 §10 ICMP8), and nothing else: S4.
func TestS4DialToAClosedUDPPortIsRefused(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no ICMP on this system")
	}
	s, err := sctp.NewStack(&sctp.StackConfig{})
	require.NoError(t, err)
	defer s.Close()
	for _, ip := range []string{"127.0.0.1", "::1"} {
		if c, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0")); err == nil {
			_ = c.Close()
		} else {
			continue // no IPv6
		}
		at := sctp.Addr{IPs: []netip.Addr{netip.MustParseAddr(ip)}}
		l, err := sctp.Listen((&sctp.Addr{IPs: at.IPs}).String(), nil)
		require.NoError(t, err)
		at = *l.Addr().(*sctp.Addr)
		require.NoError(t, l.Close())

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		begin := time.Now()
		_, err = s.Dial(ctx, &at, nil)
		require.ErrorIs(t, err, sctp.ErrRefused)
		require.ErrorIs(t, err, sctp.ErrReset)
		require.Less(t, time.Since(begin), 10*time.Second, "not after all retransmissions of the INIT")
		require.NotZero(t, s.Stats().ICMPIn)
		require.Zero(t, s.Stats().ICMPStrays)

		l, err = sctp.Listen(at.String(), nil)
		require.NoError(t, err)
		go serveEcho(l)
		a, err := s.Dial(ctx, &at, nil)
		require.NoError(t, err, "the stack goes on")
		require.NoError(t, a.Send(ctx, text("x")))
		require.Equal(t, "x", string(receive(t, a).Data))
		require.NoError(t, a.Close())
		require.NoError(t, l.Close())
	}
}

// A process that is killed says nothing, but its host does. The survivor learns it
// with the next message instead of after all retransmissions.
func TestPeerProcessThatVanishedIsNoticed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no ICMP on this system")
	}
	for name, dial := range map[string]func(ctx context.Context, at *sctp.Addr) (*sctp.Association, error){
		"stack": func(ctx context.Context, at *sctp.Addr) (*sctp.Association, error) {
			s, err := sctp.NewStack(&sctp.StackConfig{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s.Dial(ctx, at, nil)
		},
		// A stack that ends with its association does so while it reads the message.
		"stack of its own": func(ctx context.Context, at *sctp.Addr) (*sctp.Association, error) {
			return sctp.Dial(ctx, at.String(), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			sock, err := udpencap.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
			require.NoError(t, err)
			dying := &mortal{Carrier: sock}
			server, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{dying}})
			require.NoError(t, err)
			defer server.Close()
			l, err := server.Listen(nil, &sctp.Config{Linger: -1})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			a, err := dial(ctx, l.Addr().(*sctp.Addr))
			require.NoError(t, err)
			_, err = l.AcceptSCTP(ctx)
			require.NoError(t, err)
			dying.kill()
			require.NoError(t, a.Send(ctx, text("anybody there?")))
			_, err = a.ReceiveMessage(ctx, nil, 100)
			require.ErrorIs(t, err, sctp.ErrRefused)
			require.NoError(t, a.Close())
		})
	}
}

// mortal is a carrier that can be lost without a word.
type mortal struct {
	carrier.Carrier
	dead atomic.Bool
}

func (m *mortal) kill() {
	m.dead.Store(true)
	_ = m.Carrier.Close()
}

func (m *mortal) WriteBatch(ds []carrier.Datagram) (int, error) {
	if m.dead.Load() {
		return 0, net.ErrClosed
	}
	return m.Carrier.WriteBatch(ds)
}

// witness is a carrier that keeps the last packet it sent and lets a test play
// the network that sends ICMP messages.
type witness struct {
	carrier.Carrier
	notify func(carrier.Notice)
	last   atomic.Pointer[carrier.Datagram]
}

func (w *witness) SetNotify(f func(carrier.Notice)) { w.notify = f }

func (w *witness) WriteBatch(ds []carrier.Datagram) (int, error) {
	d := ds[len(ds)-1]
	d.Data = slices.Clone(d.Data)
	w.last.Store(&d)
	return w.Carrier.WriteBatch(ds)
}

// V6: what quotes no packet of an association, or not enough of it, does nothing.
// (What the machine checks besides is tested there.)
func TestV6ForgedICMP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		var spy *witness
		client := w.spied(func(c carrier.Carrier) carrier.Carrier {
			spy = &witness{Carrier: c}
			return spy
		})
		a, err := client.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		b, err := w.listener.AcceptSCTP(t.Context())
		require.NoError(t, err)
		require.NoError(t, a.Send(t.Context(), text("hello")))
		require.Equal(t, "hello", string(receive(t, b).Data))
		synctest.Wait()

		sent := *spy.last.Load()
		quote := func(change func(n *carrier.Notice)) carrier.Notice {
			n := carrier.Notice{Kind: carrier.NoticeProtocol, Remote: sent.Remote, Quoted: slices.Clone(sent.Data)}
			change(&n)
			return n
		}
		strays := map[string]carrier.Notice{
			"nothing quoted":        quote(func(n *carrier.Notice) { n.Quoted = nil }),
			"half a tag":            quote(func(n *carrier.Notice) { n.Quoted = n.Quoted[:7] }),
			"another host":          quote(func(n *carrier.Notice) { n.Remote = netip.AddrPortFrom(clientIP, n.Remote.Port()) }),
			"another UDP port":      quote(func(n *carrier.Notice) { n.Remote = netip.AddrPortFrom(n.Remote.Addr(), 1) }),
			"another SCTP port":     quote(func(n *carrier.Notice) { n.Quoted[1] ^= 1 }),
			"the peer's SCTP port":  quote(func(n *carrier.Notice) { n.Quoted[3] ^= 1 }),
			"unknown kind":          quote(func(n *carrier.Notice) { n.Kind = 99 }),
			"a packet to ourselves": quote(func(n *carrier.Notice) { copy(n.Quoted, append(slices.Clone(n.Quoted[2:4]), n.Quoted[:2]...)) }),
		}
		for name, n := range strays {
			before := client.Stats().ICMPStrays
			spy.notify(n)
			require.Equal(t, before+1, client.Stats().ICMPStrays, name)
		}
		spy.notify(quote(func(n *carrier.Notice) { n.Quoted[7] ^= 1 })) // a wrong tag is for the machine
		require.EqualValues(t, len(strays)+1, client.Stats().ICMPIn)
		require.EqualValues(t, 1, client.Stats().Totals.ICMPIgnored)
		require.Equal(t, "ESTABLISHED", a.Info().State)

		// The same with the right quote: it was the quotation that kept it out.
		spy.notify(quote(func(*carrier.Notice) {}))
		_, err = a.ReceiveMessage(t.Context(), nil, 100)
		require.ErrorIs(t, err, sctp.ErrRefused)
		spy.notify(quote(func(*carrier.Notice) {}))
		require.EqualValues(t, len(strays)+1, client.Stats().ICMPStrays, "it is gone")
	})
}
