package registrar_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scope"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	a := &authority{t: t, key: key, pool: x509.NewCertPool()}
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pool.AddCert(a.cert)
	return a
}

// config is that of a host with a certificate, for its address.
func (a *authority) config(host int) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(host) + 1), IPAddresses: []net.IP{asaplinktest.IP(host).AsSlice()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	return &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// asked is the configuration of a user: it knows the authority and has no certificate.
func (a *authority) asked() *tls.Config { return &tls.Config{RootCAs: a.pool} }

// newSecured is a scope of secured registrars.
func newSecured(t *testing.T, n int) (*scope, *authority) {
	s, a := newScope(t, n), newAuthority(t)
	for i := range n {
		s.peers[i] = (&sctp.Addr{IPs: asaplinktest.Transport(i+1, 1).Addrs, Port: 9902}).String()
		s.asap[i] = (&sctp.Addr{IPs: asaplinktest.Transport(i+1, 1).Addrs, Port: 3864}).String()
	}
	s.adapt = func(i int, c *registrar.Config) { c.TLS = a.config(i) }
	return s, a
}

// enter registers an element in "pool", for as long as ctx.
func enter(ctx context.Context, s *scope, host int, at []string, cfg *tls.Config) error {
	pe, err := poolelement.Listen(ctx, "pool", &poolelement.Config{
		Registrars: at, Stack: s.Stack(host), PEID: rserpool.PEID(host), Profile: asapcore.ProfileFast, TLS: cfg,
	})
	if err == nil {
		s.T.Cleanup(func() { _ = pe.Close() })
	}
	return err
}

// resolve asks for "pool".
func resolve(s *scope, host int, at []string, cfg *tls.Config) (int, error) {
	pu, err := pooluser.New(&pooluser.Config{Registrars: at, Stack: s.Stack(host), Profile: asapcore.ProfileFast, TLS: cfg, StaleCache: -1})
	require.NoError(s.T, err)
	defer pu.Close()
	ctx, cancel := context.WithTimeout(s.T.Context(), 5*time.Second)
	defer cancel()
	els, err := pu.Resolve(ctx, "pool")
	return len(els), err
}

// RFC 5352 §9.2, §9.3, RFC 5353 §6.2: elements register, registrars agree, and one takes
// over from another and dials its elements, all within TLS.
func TestTLSInAScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newSecured(t, 2)
		s.start(1, 2)
		s.ready()
		for host := 11; host < 15; host++ {
			require.NoError(t, enter(t.Context(), s, host, s.asap, a.config(host)))
		}
		within(t, 5*time.Second, func() bool { return s.agree(4) }, "both know all")
		n, err := resolve(s, 20, s.asap, a.asked())
		require.NoError(t, err)
		require.Equal(t, 4, n)

		victim := 1
		if s.up[2].Snapshot().Owned > 0 {
			victim = 2
		}
		delete(s.up, victim)
		s.Cut(victim)
		rest := s.up[3-victim]
		within(t, 2*time.Second, func() bool {
			for _, home := range homes(rest) {
				if home != rest.ID() {
					return false
				}
			}
			return true
		}, "the other one takes over")
		time.Sleep(time.Minute) // keep-alives are answered
		require.True(t, s.agree(4))
		n, err = resolve(s, 21, s.asap, a.asked())
		require.NoError(t, err)
		require.Equal(t, 4, n)
	})
}

// RFC 5352 §9.3: who does not speak TLS, or has no certificate of the authority, is
// answered and may not register.
func TestZ1NothingIsRegisteredWithoutTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newSecured(t, 1)
		s.start(1)
		s.ready()
		require.NoError(t, enter(t.Context(), s, 11, s.asap, a.config(11)))

		plain := []string{asaplinktest.IP(1).String() + ":3863"}
		err := enter(t.Context(), s, 12, plain, nil)
		var rejected *asapcore.RejectedError
		require.ErrorAs(t, err, &rejected)
		require.Contains(t, err.Error(), "security considerations")

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.Error(t, enter(ctx, s, 13, s.asap, newAuthority(t).config(13)), "another authority")
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.Error(t, enter(ctx, s, 14, s.asap, nil), "no TLS at the port for it")

		require.Len(t, homes(s.up[1]), 1)
		n, err := resolve(s, 20, plain, nil)
		require.NoError(t, err)
		require.Equal(t, 1, n, "users are answered")
	})
}

// RFC 5355 §2.5: registrars without a certificate of the authority do not join.
func TestZ5RegistrarWithoutCertificateDoesNotJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newSecured(t, 3)
		strangers := newAuthority(t)
		s.adapt = func(i int, c *registrar.Config) {
			switch i {
			case 1:
				c.TLS = a.config(i)
			case 2:
				c.TLS = strangers.config(i)
			case 3:
				c.ENRPPort = 9902 // without TLS
			}
		}
		s.start(1, 2, 3)
		s.ready()
		require.NoError(t, enter(t.Context(), s, 11, s.asap[:1], a.config(11)))
		time.Sleep(time.Minute)
		require.Len(t, homes(s.up[1]), 1)
		for i := 1; i <= 3; i++ {
			require.Empty(t, s.up[i].Snapshot().Peers, "registrar %d", i)
		}
	})
}

// RFC 5352 §9.2, RFC 5355 §2.7: a user checks that the certificate is for the address
// that it dialed.
func TestZ5UserTellsWhoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newSecured(t, 1)
		s.adapt = func(_ int, c *registrar.Config) { c.TLS = a.config(7) }
		s.start(1)
		s.ready()
		require.NoError(t, enter(t.Context(), s, 11, s.asap, named(a.config(11), asaplinktest.IP(7).String())), "told the name")
		_, err := resolve(s, 20, s.asap, a.asked())
		require.Error(t, err)
		n, err := resolve(s, 21, s.asap, named(a.asked(), asaplinktest.IP(7).String()))
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func named(c *tls.Config, name string) *tls.Config {
	c.ServerName = name
	return c
}

// A configuration that would let everybody in, or nobody, is refused.
func TestTLSConfigIsChecked(t *testing.T) {
	_, err := registrar.New(&registrar.Config{TLS: &tls.Config{}, Listen: "127.0.0.1@0"})
	require.ErrorContains(t, err, "authority")
	_, err = registrar.New(&registrar.Config{TLS: newAuthority(t).asked(), Listen: "127.0.0.1@0"})
	require.ErrorContains(t, err, "certificate")
	_, err = poolelement.Listen(t.Context(), "pool", &poolelement.Config{
		Registrars: []string{"127.0.0.1:3864"}, Listen: "127.0.0.1@0", TLS: newAuthority(t).asked()})
	require.ErrorContains(t, err, "certificate")
}

// Reconfigure takes certificates and authority for handshakes from then on: who belongs to the
// new authority only gets in and the others do not, while those who were in stay. What cannot
// be used changes nothing, and TLS is there for the life of a registrar or not at all.
func TestTLSReconfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old := newSecured(t, 1)
		s.start(1)
		s.ready()
		require.NoError(t, enter(t.Context(), s, 11, s.asap, old.config(11)))
		r, fresh := s.up[1], newAuthority(t)

		for name, bad := range map[string]*tls.Config{"none": nil, "no authority": {}, "no certificate": fresh.asked()} {
			require.Error(t, r.Reconfigure(t.Context(), &registrar.Config{Peers: s.peers, TLS: bad, Access: accessList(t, "deny all")}), name)
		}
		require.Error(t, r.Reconfigure(t.Context(), &registrar.Config{Peers: []string{"nonsense"}, TLS: fresh.config(1)}))
		require.NoError(t, enter(t.Context(), s, 12, s.asap, old.config(12)), "nothing has changed")

		require.NoError(t, r.Reconfigure(t.Context(), &registrar.Config{Peers: s.peers, TLS: fresh.config(1)}))
		n, err := resolve(s, 21, s.asap, fresh.asked())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, enter(t.Context(), s, 13, s.asap, fresh.config(13)))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.Error(t, enter(ctx, s, 14, s.asap, old.config(14)))
		time.Sleep(30 * time.Second)
		require.True(t, s.agree(3), "those who were in stay, and register again")
	})
}

// A registrar without TLS does not get it later: its ports would be other ones.
func TestTLSIsNotTurnedOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope(t, 1)
		s.start(1)
		s.ready()
		require.ErrorContains(t, s.up[1].Reconfigure(t.Context(), &registrar.Config{TLS: newAuthority(t).config(1)}), "start only")
	})
}

// Elements and users take other certificates and authorities for handshakes from then on, too:
// when a registrar with the new ones comes and the old one goes, those that have changed go
// to it.
func TestTLSChangesOfElementsAndUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old := newSecured(t, 2)
		fresh := newAuthority(t)
		both := old.pool.Clone()
		both.AddCert(fresh.cert)
		s.adapt = func(i int, c *registrar.Config) {
			c.TLS = old.config(i)
			if i == 2 {
				c.TLS, c.Peers = fresh.config(i), nil
			}
		}
		s.start(1)
		s.ready()
		pe, err := poolelement.Listen(t.Context(), "pool", &poolelement.Config{
			Registrars: s.asap, Stack: s.Stack(11), PEID: 11, Profile: asapcore.ProfileFast, TLS: old.config(11),
		})
		require.NoError(t, err)
		defer pe.Close()
		pu, err := pooluser.New(&pooluser.Config{Registrars: s.asap, Stack: s.Stack(21), Profile: asapcore.ProfileFast, TLS: old.asked(), StaleCache: -1})
		require.NoError(t, err)
		defer pu.Close()
		_, err = pu.Resolve(t.Context(), "pool")
		require.NoError(t, err)

		require.Error(t, pe.SetTLS(nil))
		require.Error(t, pe.SetTLS(fresh.asked()), "registrars dial elements, which show a certificate")
		require.Error(t, pu.SetTLS(&tls.Config{}))
		next := fresh.config(11)
		next.RootCAs = both
		require.NoError(t, pe.SetTLS(next))
		require.NoError(t, pu.SetTLS(fresh.asked()))
		time.Sleep(10 * time.Second)
		require.True(t, s.agree(1), "what there was stays")

		s.start(2)
		s.ready()
		require.NoError(t, s.up[1].Close())
		delete(s.up, 1)
		within(t, 20*time.Second, func() bool { return s.agree(1) }, "the element is with the new one")
		within(t, 20*time.Second, func() bool {
			els, err := pu.Resolve(t.Context(), "pool")
			return err == nil && len(els) == 1
		}, "and so is the user")
	})
}
