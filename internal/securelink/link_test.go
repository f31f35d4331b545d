package securelink_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/sctp"
)

const ppid = 11

// selfSigned is a configuration that trusts its own certificate only.
func selfSigned(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{asaplinktest.IP(1).AsSlice()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// associations are the two ends of one.
func associations(t *testing.T) (dialed, accepted *sctp.Association) {
	w := asaplinktest.NewWorld(t)
	l, err := w.Stack(1).Listen(&sctp.Addr{Port: 3864}, nil)
	require.NoError(t, err)
	dialed, err = w.Stack(2).Dial(t.Context(), l.Addr().(*sctp.Addr), nil)
	require.NoError(t, err)
	accepted, err = l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = dialed.Close(); _ = accepted.Close() })
	return dialed, accepted
}

// links are both ends of an association with TLS.
func links(t *testing.T, withCertificate bool) (client, server *securelink.Link, raw *sctp.Association) {
	cfg := selfSigned(t)
	a, b := associations(t)
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = securelink.Server(t.Context(), t.Context(), b, ppid, securelink.ServerConfig(cfg, false))
		done <- err
	}()
	mine := cfg.Clone()
	if !withCertificate {
		mine.Certificates = nil
	}
	client, err := securelink.Client(t.Context(), t.Context(), a, ppid, securelink.ClientConfig(mine, asaplinktest.IP(1)))
	require.NoError(t, err)
	require.NoError(t, <-done)
	return client, server, a
}

// message is one of n bytes with its length in the header.
func message(n int) []byte {
	b := bytes.Repeat([]byte{byte(n)}, n)
	b[2], b[3] = byte(n>>8), byte(n)
	return b
}

// RFC 3436 §3.2, §6.2: messages of all lengths keep their boundaries.
func TestMessagesKeepTheirBoundaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _ := links(t, true)
		for _, n := range []int{4, 5, 8, 255, 256, 257, 4096, 16384, 16385, 40000, 65532} {
			require.NoError(t, client.Send(message(n)), "length %d", n)
			require.NoError(t, client.Send(message(12)))
			b, err := server.Receive()
			require.NoError(t, err)
			require.Equal(t, message(n), b[:n])
			require.Len(t, b, (n+3)&^3)
			b, err = server.Receive()
			require.NoError(t, err)
			require.Equal(t, message(12), b)
		}
		require.NoError(t, server.Send(message(20)))
		b, err := client.Receive()
		require.NoError(t, err)
		require.Equal(t, message(20), b)
	})
}

// RFC 5352 §9.2: who has shown a certificate is told from who has not.
func TestAuthenticated(t *testing.T) {
	for _, with := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			_, server, _ := links(t, with)
			require.Equal(t, with, server.Authenticated())
		})
	}
}

// RFC 5353 §6.2: where a certificate is required, nobody gets in without.
func TestCertificateIsRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := selfSigned(t)
		a, b := associations(t)
		go func() {
			mine := cfg.Clone()
			mine.Certificates = nil
			_, _ = securelink.Client(t.Context(), t.Context(), a, ppid, securelink.ClientConfig(mine, asaplinktest.IP(1)))
		}()
		_, err := securelink.Server(t.Context(), t.Context(), b, ppid, securelink.ServerConfig(cfg, true))
		require.ErrorContains(t, err, "certificate")
	})
}

// A length that is no message's ends the link.
func TestLengthsBelowTheHeader(t *testing.T) {
	for n := range byte(4) {
		synctest.Test(t, func(t *testing.T) {
			client, server, _ := links(t, true)
			require.NoError(t, client.Send([]byte{1, 0, 0, n}))
			_, err := server.Receive()
			require.ErrorIs(t, err, securelink.ErrFraming)
		})
	}
}

// RFC 3436 §6.2: what is no record of TLS is ignored on other streams, and with another
// payload protocol identifier; forged records on stream 0 end the link.
func TestOtherMessagesBesideTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, raw := links(t, true)
		for _, m := range []sctp.Message{{Stream: 1, PPID: ppid}, {PPID: 12}, {PPID: ppid, Unordered: true}} {
			m.Data = []byte("no record")
			require.NoError(t, raw.Send(t.Context(), &m))
		}
		require.NoError(t, client.Send(message(8)))
		b, err := server.Receive()
		require.NoError(t, err)
		require.Equal(t, message(8), b)

		require.NoError(t, raw.Send(t.Context(), &sctp.Message{PPID: ppid, Data: []byte{23, 3, 3, 0, 2, 1, 2}}))
		_, err = server.Receive()
		require.Error(t, err)
	})
}

// A partner that says nothing does not hold the handshake up for ever.
func TestHandshakeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := associations(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := securelink.Server(ctx, t.Context(), b, ppid, securelink.ServerConfig(selfSigned(t), true))
		require.Error(t, err)
		require.Equal(t, time.Second, time.Since(begin))
		_, err = a.ReceiveMessage(t.Context(), nil, 100)
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
	})
}

// An end without a name accepts members of the authority only.
func TestMembersAreChecked(t *testing.T) {
	for _, same := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cfg := selfSigned(t)
			theirs := securelink.ServerConfig(cfg, true)
			a, b := associations(t)
			go func() { _, _ = securelink.Server(t.Context(), t.Context(), b, ppid, theirs) }()
			if !same {
				cfg = selfSigned(t)
			}
			_, err := securelink.Client(t.Context(), t.Context(), a, ppid, securelink.MemberConfig(cfg))
			if same {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "unknown authority")
			}
		})
	}
}

// The configuration must say whom to trust, and hold a certificate where one is shown.
func TestCheck(t *testing.T) {
	require.ErrorIs(t, securelink.Check(&tls.Config{}, false), securelink.ErrNoAuthority)
	cfg := selfSigned(t)
	require.NoError(t, securelink.Check(cfg, true))
	cfg.Certificates = nil
	require.NoError(t, securelink.Check(cfg, false))
	require.ErrorIs(t, securelink.Check(cfg, true), securelink.ErrNoCertificate)
}
