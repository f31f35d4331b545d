package registrar_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// overTCP runs a registrar that serves users over TCP, and returns where.
func overTCP(t *testing.T, cfg registrar.Config) (*registrar.Registrar, string) {
	t.Helper()
	cfg.Listen, cfg.Profile = "127.0.0.1@0", core.ProfileFast
	r, err := registrar.New(&cfg)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- r.Run(context.Background()) }()
	t.Cleanup(func() { _ = r.Close(); require.NoError(t, <-done) })
	<-r.Ready()
	return r, r.TCPAddrs()[0].String()
}

func dialTCP(t *testing.T, at string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

// nextMessage reads a message and its padding.
func nextMessage(t *testing.T, c io.Reader) asap.Message {
	t.Helper()
	b := make([]byte, 4)
	_, err := io.ReadFull(c, b)
	require.NoError(t, err)
	n := int(binary.BigEndian.Uint16(b[2:]))
	b = append(b, make([]byte, (n+3)&^3-4)...)
	_, err = io.ReadFull(c, b[4:])
	require.NoError(t, err)
	m, err := asap.Decode(b)
	require.NoError(t, err)
	return m
}

// padded is a message as it goes over TCP (RFC 5354 §4: "MUST pad").
func padded(m asap.Message) []byte {
	b := m.AppendTo(nil)
	return append(b, make([]byte, -len(b)&3)...)
}

// ended waits for the end of a connection.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	for buf := make([]byte, 4096); ; {
		if _, err := c.Read(buf); err != nil {
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			return
		}
	}
}

var question = &asap.HandleResolution{Handle: rserpool.PoolHandle("x")}

// RFC 5352 §3.3: "An ENRP server SHOULD be prepared to receive ASAP_HANDLE_RESOLUTION requests
// […] over a TCP connection". Messages are told apart by their length, however they
// arrive.
func TestResolutionsOverTCP(t *testing.T) {
	_, at := overTCP(t, registrar.Config{ASAPTCP: "127.0.0.1:0"})
	c := dialTCP(t, at)
	for _, m := range []asap.Message{question, &asap.HandleResolution{Handle: rserpool.PoolHandle("longer")}} {
		for _, b := range padded(m) {
			_, err := c.Write([]byte{b})
			require.NoError(t, err)
		}
	}
	_, err := c.Write(append(padded(question), padded(question)...))
	require.NoError(t, err)
	for _, want := range []string{"x", "longer", "x", "x"} {
		m := nextMessage(t, c).(*asap.HandleResolutionResponse)
		require.Equal(t, want, string(m.Handle))
		require.Equal(t, rserpool.CauseUnknownPoolHandle, m.Causes[0].Code)
	}
	_, err = c.Write(padded(&asap.Registration{Handle: question.Handle, Element: rserpool.PoolElement{ID: 1, Life: 1000,
		User: rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 1, Addrs: loopback()}, Policy: rserpool.Policy{Type: rserpool.RoundRobin}}}))
	require.NoError(t, err)
	require.True(t, nextMessage(t, c).(*asap.RegistrationResponse).Reject, "RFC 5352 §2.1: elements use SCTP")
}

// What is no message ends the connection: it cannot be found again where the next one begins.
func TestTCPFraming(t *testing.T) {
	_, at := overTCP(t, registrar.Config{ASAPTCP: "127.0.0.1:0"})
	for _, b := range [][]byte{{5, 0, 0, 3}, {5, 0, 0, 0}} {
		c := dialTCP(t, at)
		_, err := c.Write(b)
		require.NoError(t, err)
		ended(t, c)
	}
	c := dialTCP(t, at) // an unknown type with a length is answered as over SCTP
	_, err := c.Write([]byte{0x7f, 0, 0, 4})
	require.NoError(t, err)
	_, err = c.Write(padded(question))
	require.NoError(t, err)
	for {
		if _, ok := nextMessage(t, c).(*asap.HandleResolutionResponse); ok {
			return
		}
	}
}

// Who begins a message and does not end it does not keep the connection for ever.
func TestTCPMessageThatDoesNotEnd(t *testing.T) {
	_, at := overTCP(t, registrar.Config{ASAPTCP: "127.0.0.1:0"})
	c, idle := dialTCP(t, at), dialTCP(t, at)
	_, err := c.Write([]byte{5, 0, 0xff})
	require.NoError(t, err)
	begin := time.Now()
	ended(t, c)
	require.GreaterOrEqual(t, time.Since(begin), core.ProfileFast.Transport.DialTimeout*9/10)
	_, err = idle.Write(padded(question))
	require.NoError(t, err)
	nextMessage(t, idle) // who says nothing may stay
}

// Who asks and does not read the answers is given up, and takes bounded memory until then.
func TestTCPPartnerThatDoesNotRead(t *testing.T) {
	_, at := overTCP(t, registrar.Config{ASAPTCP: "127.0.0.1:0"})
	c := dialTCP(t, at)
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
	long := padded(&asap.HandleResolution{Handle: rserpool.PoolHandle(strings.Repeat("y", 1000))})
	for range 1_000_000 {
		if _, err := c.Write(long); err != nil {
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			break
		}
	}
	other := dialTCP(t, at)
	_, err := other.Write(padded(question))
	require.NoError(t, err)
	nextMessage(t, other)
}

// Limits, access list and the end of the registrar count for TCP as for SCTP.
func TestTCPLimits(t *testing.T) {
	r, at := overTCP(t, registrar.Config{ASAPTCP: "127.0.0.1:0", Limits: core.Limits{ConnectionsPerSource: 2}, Access: accessList(t, "deny resolve pool x")})
	first, second := dialTCP(t, at), dialTCP(t, at)
	for _, c := range []net.Conn{first, second} {
		_, err := c.Write(padded(question))
		require.NoError(t, err)
		require.Equal(t, rserpool.CauseSecurity, nextMessage(t, c).(*asap.HandleResolutionResponse).Causes[0].Code)
	}
	// The end of a connection that is one too many may come while it is dialed.
	answered := func() bool {
		c, err := net.Dial("tcp", at)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = c.Write(padded(question)) // what fails shows when reading
		n, _ := c.Read(make([]byte, 100))
		return n > 0
	}
	require.False(t, answered())
	require.NoError(t, first.Close())
	require.Eventually(t, answered, 20*time.Second, 10*time.Millisecond, "there is room again")
	require.NoError(t, r.Close())
	ended(t, second)
}

// RFC 5352 §8.2, §9.2: TLS over TCP; and who says nothing does not keep the handshake.
func TestTLSOverTCP(t *testing.T) {
	a := newAuthority(t)
	_, at := overTCP(t, registrar.Config{ASAPTCPTLS: "127.0.0.1:0", TLS: a.config(1)})
	silent := dialTCP(t, at)
	cfg := a.asked()
	cfg.ServerName = "10.0.0.1"
	c := tls.Client(dialTCP(t, at), cfg)
	for range 3 {
		_, err := c.Write(padded(question))
		require.NoError(t, err)
		require.Equal(t, "x", string(nextMessage(t, c).(*asap.HandleResolutionResponse).Handle))
	}
	plain := dialTCP(t, at)
	_, err := plain.Write(padded(question))
	require.NoError(t, err)
	ended(t, plain)
	ended(t, silent)
}

// Mistakes are told at the start.
func TestTCPConfigErrors(t *testing.T) {
	for name, cfg := range map[string]registrar.Config{
		"ASAPTCPTLS without TLS": {ASAPTCPTLS: "127.0.0.1:0"},
		"ASAP over TCP":          {ASAPTCP: "nonsense"},
	} {
		cfg.Listen = "127.0.0.1@0"
		_, err := registrar.New(&cfg)
		require.ErrorContains(t, err, name)
	}
}
