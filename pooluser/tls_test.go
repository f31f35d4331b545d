package pooluser_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// certificate makes a certificate that is good for a day from now on.
func certificate(t *testing.T, id rserpool.PEID) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(int64(id)), DNSNames: []string{string(pool)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour),
	}, &x509.Certificate{}, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// secureWorld is a pool of echo servers that speak TLS, each with a certificate of its
// own, and no other word.
type secureWorld struct {
	*world
	roots *x509.CertPool
	// accept, if not nil, sees a session before its handshake.
	accept func(id rserpool.PEID)
}

func (w *secureWorld) serveTLS(id rserpool.PEID) {
	w.t.Helper()
	cert := certificate(w.t, id)
	w.roots.AddCert(cert.Leaf)
	pe, err := poolelement.Listen(w.t.Context(), pool, &poolelement.Config{
		Registrars: []string{w.registrar.Address()}, Stack: w.Stack(firstHost + int(id)), Profile: core.ProfileFast, PEID: id,
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, pe.Close()) })
	go func() {
		for {
			nc, err := pe.Accept()
			if err != nil {
				return
			}
			if w.accept != nil {
				w.accept(id)
			}
			go func() {
				defer nc.Close()
				secure := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
				_, _ = io.Copy(secure, secure)
			}()
		}
	}()
}

// secureSession is a session with TLS that is renegotiated with each element.
type secureSession struct {
	*pooluser.Session
	cfg        *tls.Config
	now        atomic.Pointer[tls.Conn]
	handshakes atomic.Int32
}

func (w *secureWorld) dialTLS(pu *pooluser.PoolUser) *secureSession {
	w.t.Helper()
	s := &secureSession{Session: w.dial(pu), cfg: &tls.Config{RootCAs: w.roots, ServerName: string(pool)}}
	s.OnFailover(func(ctx context.Context, _ []byte) error { return s.handshake(ctx) })
	require.NoError(w.t, s.handshake(w.t.Context()))
	return s
}

func (s *secureSession) handshake(ctx context.Context) error {
	s.handshakes.Add(1)
	nc, err := s.ElementConn(ctx)
	if err != nil {
		return err
	}
	secure := tls.Client(nc, s.cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	s.now.Store(secure)
	return nil
}

// ask sends a line and waits for its echo, again with the next element if need be.
func (s *secureSession) ask(ctx context.Context, line string) error {
	return s.Exchange(ctx, func(context.Context) error {
		secure := s.now.Load()
		if _, err := io.WriteString(secure, line+"\n"); err != nil {
			return err
		}
		echo, err := bufio.NewReader(secure).ReadString('\n')
		if err == nil && echo != line+"\n" {
			err = errors.New("another echo: " + echo)
		}
		return err
	})
}

// serial is the number of the certificate of the server.
func (s *secureSession) serial() rserpool.PEID {
	return rserpool.PEID(s.now.Load().ConnectionState().PeerCertificates[0].SerialNumber.Int64())
}

func inSecureWorld(t *testing.T, n int, f func(t *testing.T, w *secureWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &secureWorld{world: newWorld(t, 0), roots: x509.NewCertPool()}
		for id := range n {
			w.serveTLS(rserpool.PEID(id + 1))
		}
		f(t, w)
	})
}

// Z9: a fail-over is told to the application, which renegotiates TLS: the next element
// proves who it is with its own certificate before it gets a byte.
func TestZ9TLSIsRenegotiated(t *testing.T) {
	inSecureWorld(t, 3, func(t *testing.T, w *secureWorld) {
		s := w.dialTLS(w.user(pooluser.Config{}))
		for n := range int32(3) {
			require.NoError(t, s.ask(t.Context(), "secret"))
			require.Equal(t, s.Element().ID, s.serial())
			require.Equal(t, n+1, s.handshakes.Load())
			if n < 2 {
				w.cut(s.Element().ID)
			}
		}
		require.Equal(t, 2, s.Failovers())
	})
}

// Z9: an element that cannot prove who it is gets nothing, and the session says so.
func TestZ9ImpostorIsRefused(t *testing.T) {
	inSecureWorld(t, 2, func(t *testing.T, w *secureWorld) {
		s := w.dialTLS(w.user(pooluser.Config{}))
		require.NoError(t, s.ask(t.Context(), "secret"))
		w.cut(s.Element().ID)
		s.cfg.RootCAs = x509.NewCertPool() // the other's certificate is good for nothing
		var bad *tls.CertificateVerificationError
		require.ErrorAs(t, s.ask(t.Context(), "secret"), &bad)
		require.ErrorAs(t, s.Send(t.Context(), nil), &bad)
	})
}

// Z9: an element that dies in the middle of the handshake is one more to pass over.
func TestZ9NextElementDiesInHandshake(t *testing.T) {
	inSecureWorld(t, 3, func(t *testing.T, w *secureWorld) {
		s := w.dialTLS(w.user(pooluser.Config{}))
		require.NoError(t, s.ask(t.Context(), "secret"))
		died := rserpool.PEID(0)
		w.accept = func(id rserpool.PEID) {
			if died == 0 {
				died = id
				w.cut(id)
			}
		}
		w.cut(s.Element().ID)
		require.NoError(t, s.ask(t.Context(), "secret"))
		require.NotZero(t, died)
		require.NotEqual(t, died, s.Element().ID)
		require.Equal(t, s.Element().ID, s.serial())
	})
}

// The net.Conn of an element ends with it, and by itself does not end the session.
func TestElementConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		nc, err := s.ElementConn(t.Context())
		require.NoError(t, err)
		require.Equal(t, s.LocalAddr(), nc.LocalAddr())
		require.Equal(t, s.RemoteAddr(), nc.RemoteAddr())

		require.NoError(t, nc.SetReadDeadline(time.Now().Add(time.Second)))
		_, err = nc.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, nc.SetDeadline(time.Time{}))
		go func() {
			time.Sleep(time.Second)
			require.NoError(t, nc.Close())
		}()
		_, err = nc.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = nc.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, nc.SetDeadline(time.Time{}), net.ErrClosed)
		require.NoError(t, ask(t.Context(), s, "still there"))

		nc, err = s.ElementConn(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Failover(t.Context()))
		_, err = nc.Write([]byte("to the old one"))
		require.Error(t, err)
		require.NoError(t, ask(t.Context(), s, "new one"))
		require.Equal(t, 1, s.Failovers(), "what the old one says does not matter any more")
	})
}
