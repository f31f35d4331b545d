package sctp_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// Addresses of the simulated hosts.
var (
	clientIP = netip.MustParseAddr("192.0.2.1")
	serverIP = netip.MustParseAddr("192.0.2.2")
)

const (
	testPort = 5000
	delay    = 5 * time.Millisecond // one way
)

// world is two stacks on a simulated network, for use in a synctest bubble.
type world struct {
	t              *testing.T
	net            *simnet.Network
	client, server *sctp.Stack
	listener       *sctp.Listener
	cfg            *sctp.Config // of Dial
}

// worldOption changes what newWorld builds.
type worldOption struct {
	link         simnet.Link
	clientConfig *sctp.Config
	serverConfig *sctp.Config
	serverStack  sctp.StackConfig
	clientStack  sctp.StackConfig
}

func newWorld(t *testing.T, o worldOption) *world {
	t.Helper()
	w := &world{t: t, net: simnet.New(1), cfg: o.clientConfig}
	if o.link == (simnet.Link{}) {
		o.link = simnet.Link{Delay: delay}
	}
	w.net.SetDefaultLink(o.link)
	w.client = w.stack(o.clientStack, clientIP)
	w.server = w.stack(o.serverStack, serverIP)
	l, err := w.server.Listen(&sctp.Addr{Port: testPort}, o.serverConfig)
	require.NoError(t, err)
	w.listener = l
	return w
}

// stack opens a stack on a host with the given addresses.
func (w *world) stack(cfg sctp.StackConfig, ips ...netip.Addr) *sctp.Stack {
	w.t.Helper()
	var bind []netip.AddrPort
	for _, ip := range ips {
		bind = append(bind, netip.AddrPortFrom(ip, sctp.DefaultUDPPort))
	}
	c, err := w.net.Host(ips...).Carrier(bind...)
	require.NoError(w.t, err)
	cfg.Carriers = []carrier.Carrier{c}
	s, err := sctp.NewStack(&cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close()) })
	return s
}

// spied opens another stack on the client's host, over a carrier that wrap has put
// its own around.
func (w *world) spied(wrap func(carrier.Carrier) carrier.Carrier) *sctp.Stack {
	w.t.Helper()
	c, err := w.net.Host(clientIP).Carrier(netip.AddrPortFrom(clientIP, 0))
	require.NoError(w.t, err)
	s, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{wrap(c)}})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close()) })
	return s
}

// addr is where the server listens.
func (w *world) addr() *sctp.Addr {
	return &sctp.Addr{IPs: []netip.Addr{serverIP}, Port: testPort}
}

// pair opens an association and returns both ends.
func (w *world) pair() (client, server *sctp.Association) {
	w.t.Helper()
	client, err := w.client.Dial(w.t.Context(), w.addr(), w.cfg)
	require.NoError(w.t, err)
	server, err = w.listener.AcceptSCTP(w.t.Context())
	require.NoError(w.t, err)
	return client, server
}

// cut takes the network away between client and server, in both directions.
func (w *world) cut() { w.net.SetDefaultLink(simnet.Link{Loss: 1}) }

// mend brings it back.
func (w *world) mend() { w.net.SetDefaultLink(simnet.Link{Delay: delay}) }

// text makes a message of a string.
func text(s string) *sctp.Message { return &sctp.Message{Data: []byte(s)} }

// receive reads one whole message.
func receive(t *testing.T, a *sctp.Association) sctp.Message {
	t.Helper()
	m, err := a.ReceiveMessage(t.Context(), nil, 16<<20)
	require.NoError(t, err)
	return m
}

// echo sends back what comes until the association ends.
func echo(a *sctp.Association) {
	buf := make([]byte, 64<<10)
	for {
		m, err := a.ReceiveMessage(context.Background(), buf, 16<<20)
		if err != nil {
			_ = a.Close()
			return
		}
		if a.Send(context.Background(), &m) != nil {
			return
		}
	}
}

// serveEcho accepts and echoes until the listener is closed.
func serveEcho(l *sctp.Listener) {
	for {
		a, err := l.AcceptSCTP(context.Background())
		if err != nil {
			return
		}
		go echo(a)
	}
}

// result is what a call in a goroutine returned.
func result[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}
