package sctp_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/netns"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/rawip"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// rawHosts are two hosts on a link, with addresses of both families.
type rawHosts struct {
	t    *testing.T
	a, b *netns.Host
}

var (
	rawA  = netip.MustParseAddr("10.1.0.1")
	rawB  = netip.MustParseAddr("10.1.0.2")
	rawB2 = netip.MustParseAddr("10.1.0.3")
	rawB6 = netip.MustParseAddr("fd00:1::2")
)

// TestRawIP is everything about stacks that speak SCTP directly over IP.
func TestRawIP(t *testing.T) {
	h := &rawHosts{t: t, a: netns.New(t), b: netns.New(t)}
	netns.Link(t, h.a, h.b, netns.Wire{A: []string{"10.1.0.1/24", "fd00:1::1/64"}, B: []string{"10.1.0.2/24", "10.1.0.3/24", "fd00:1::2/64"}})
	h.b.Forward(t) // no limit of its ICMP messages
	for name, test := range map[string]func(*testing.T, *rawHosts){
		"transfer":             transferOverIP,
		"multi-homed":          multihomedOverIP,
		"protocol unreachable": protocolUnreachable,
		"shared address":       shareAnAddress,
		"shared ports":         shareThePorts,
		"RFC 6951 §5.4":        encapsulationTurnedOffAndOn,
	} {
		t.Run(name, func(t *testing.T) { test(t, &rawHosts{t, h.a, h.b}) })
	}
}

func (h *rawHosts) stack(on *netns.Host, cfg sctp.StackConfig) *sctp.Stack {
	h.t.Helper()
	var s *sctp.Stack
	require.NoError(h.t, on.Do(func() (err error) {
		s, err = sctp.NewStack(&cfg)
		return err
	}))
	h.t.Cleanup(func() { require.NoError(h.t, s.Close()) })
	return s
}

func (h *rawHosts) serve(s *sctp.Stack, port uint16) *sctp.Listener {
	h.t.Helper()
	l, err := s.Listen(&sctp.Addr{Port: port}, nil)
	require.NoError(h.t, err)
	go serveEcho(l)
	return l
}

// check sends a message and gets it back.
func (h *rawHosts) check(a *sctp.Association, size int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	data := bytes.Repeat([]byte{byte(size)}, size)
	require.NoError(h.t, a.Send(ctx, &sctp.Message{Data: data}))
	m, err := a.ReceiveMessage(ctx, nil, 16<<20)
	require.NoError(h.t, err)
	require.True(h.t, bytes.Equal(data, m.Data))
}

func transferOverIP(t *testing.T, h *rawHosts) {
	client := h.stack(h.a, sctp.StackConfig{RawIP: true})
	server := h.stack(h.b, sctp.StackConfig{RawIP: true})
	l := h.serve(server, 5000)
	require.Zero(t, server.UDPPort())
	require.Zero(t, l.Addr().(*sctp.Addr).UDPPort)
	for _, ip := range []netip.Addr{rawB, rawB6, rawB2} {
		// The UDP port of the address counts for nothing.
		a, err := client.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{ip}, Port: 5000, UDPPort: sctp.DefaultUDPPort}, nil)
		require.NoError(t, err)
		h.check(a, 1)
		h.check(a, 1<<20)
		require.Equal(t, netip.AddrPortFrom(ip, 0), a.Paths()[0].Remote)
		var bad *sctp.ParameterError
		require.ErrorAs(t, a.SetUDPPort(ip, 9899), &bad)
		require.NoError(t, a.Close())
	}
	require.Zero(t, client.Stats().Malformed)
	require.NotZero(t, client.Stats().RecvBuffer)
}

// With several bound addresses the endpoint is multi-homed, as over UDP.
func multihomedOverIP(t *testing.T, h *rawHosts) {
	client := h.stack(h.a, sctp.StackConfig{RawIP: true, ListenAddrs: []netip.Addr{rawA}})
	server := h.stack(h.b, sctp.StackConfig{RawIP: true, ListenAddrs: []netip.Addr{rawB, rawB2}})
	h.serve(server, 5000)
	a, err := client.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{rawB}, Port: 5000}, nil)
	require.NoError(t, err)
	require.Len(t, a.Paths(), 2)
	require.NoError(t, a.RequestHeartbeat(rawB2))
	require.Eventually(t, func() bool { return a.Paths()[1].State == sctp.PathActive }, 10*time.Second, time.Millisecond)
	h.check(a, 100_000)
}

// RFC 9260 §10 ICMP8: the host of the peer has no SCTP.
func protocolUnreachable(t *testing.T, h *rawHosts) {
	client := h.stack(h.a, sctp.StackConfig{RawIP: true})
	for _, ip := range []netip.Addr{rawB, rawB6} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := client.Dial(ctx, &sctp.Addr{IPs: []netip.Addr{ip}, Port: 5000}, nil)
		require.ErrorIs(t, err, sctp.ErrRefused)
	}
}

// Processes that share an address get each other's packets, and answer only those to
// their own ports. Who says that there is nobody else answers all (RFC 9260 §8.4).
func shareAnAddress(t *testing.T, h *rawHosts) {
	client := h.stack(h.a, sctp.StackConfig{RawIP: true})
	one, two := h.stack(h.b, sctp.StackConfig{RawIP: true}), h.stack(h.b, sctp.StackConfig{RawIP: true})
	h.serve(one, 5001)
	h.serve(two, 5002)
	at := func(port uint16) *sctp.Addr { return &sctp.Addr{IPs: []netip.Addr{rawB}, Port: port} }
	for range 3 {
		for _, port := range []uint16{5001, 5002} {
			a, err := client.Dial(t.Context(), at(port), nil)
			require.NoError(t, err)
			h.check(a, 10_000)
			require.NoError(t, a.Close())
		}
	}
	for _, s := range []*sctp.Stack{one, two} {
		require.EqualValues(t, 3, s.Stats().Accepted)
		require.Zero(t, s.Stats().OutOfBlue, "the packets to the other are none")
	}

	quick := &sctp.Config{RTOInitial: 50 * time.Millisecond, RTOMin: 50 * time.Millisecond, MaxInitRetransmits: 1}
	_, err := client.Dial(t.Context(), at(5003), quick)
	require.ErrorIs(t, err, sctp.ErrUnreachable, "nobody knows whose port that is")
	h.stack(h.b, sctp.StackConfig{RawIP: true, OwnsIP: true})
	_, err = client.Dial(t.Context(), at(5003), nil)
	var abort *sctp.AbortError
	require.ErrorAs(t, err, &abort)
}

// Two programs at one address that dial the same peer keep out of each other's ports: the
// INIT of one would restart an association of the other (RFC 9260 §5.2.4).
func shareThePorts(t *testing.T, h *rawHosts) {
	h.serve(h.stack(h.b, sctp.StackConfig{RawIP: true}), 5000)
	var as []*sctp.Association
	for range 2 {
		s := h.stack(h.a, sctp.StackConfig{RawIP: true})
		// On the host, too: that is where ports are reserved, more of them as it goes on.
		require.NoError(t, h.a.Do(func() error {
			for range 300 {
				a, err := s.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{rawB}, Port: 5000}, nil)
				if err != nil {
					return err
				}
				as = append(as, a)
			}
			return nil
		}))
	}
	for _, a := range as {
		h.check(a, 10)
	}
}

// RFC 6951 §5.4: a stack that speaks both ways answers as it is spoken to, and follows
// a peer that changes its mind in mid-association.
func encapsulationTurnedOffAndOn(t *testing.T, h *rawHosts) {
	both := func(on *netns.Host, ip netip.Addr) *sctp.Stack {
		var carriers []carrier.Carrier
		require.NoError(t, on.Do(func() error {
			udp, err := udpencap.Listen(netip.AddrPortFrom(ip, sctp.DefaultUDPPort), nil)
			if err != nil {
				return err
			}
			raw, err := rawip.Listen(ip, nil)
			carriers = append(carriers, udp, raw)
			return err
		}))
		return h.stack(on, sctp.StackConfig{Carriers: carriers})
	}
	client, server := both(h.a, rawA), both(h.b, rawB)
	l, err := server.Listen(&sctp.Addr{Port: 5000}, nil)
	require.NoError(t, err)
	raw := h.stack(h.a, sctp.StackConfig{RawIP: true})

	encapsulated, err := client.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{rawB}, Port: 5000}, nil)
	require.NoError(t, err)
	atServer, err := l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	go echo(atServer)
	h.check(encapsulated, 1000)
	port := func() uint16 { return atServer.Paths()[0].Remote.Port() }
	require.EqualValues(t, sctp.DefaultUDPPort, port())
	for _, to := range []uint16{0, sctp.DefaultUDPPort, 0} {
		// A packet of the peer that was under way may turn it back once.
		require.Eventually(t, func() bool {
			require.NoError(t, encapsulated.SetUDPPort(rawB, to))
			h.check(encapsulated, 100_000)
			return port() == to
		}, 20*time.Second, time.Millisecond, "§5.4: the encapsulation MUST be disabled")
	}

	plain, err := raw.Dial(t.Context(), &sctp.Addr{IPs: []netip.Addr{rawB}, Port: 5000}, nil)
	require.NoError(t, err)
	other, err := l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	go echo(other)
	h.check(plain, 1000)
	require.Zero(t, other.Paths()[0].Remote.Port())
	require.NoError(t, plain.Close())
	h.check(encapsulated, 1000)
}
