package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/sctp"
)

// tlsFiles makes a certificate for 127.0.0.1 that is its own authority, and returns the
// names of its file and of its key's.
func tlsFiles(t *testing.T) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	write := func(name, kind string, b []byte) string {
		name = filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600))
		return name
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}

// RFC 5352 §9.2: an element and a user reach a secured registrar by the flags for TLS.
func TestTLS(t *testing.T) {
	cert, key := tlsFiles(t)
	files := tlsOptions{ca: cert, cert: cert, key: key}
	cfg, err := files.config(true)
	require.NoError(t, err)
	plain, _ := runRegistrar(t, &registrar.Config{TLS: cfg}).Addrs()
	secured := &sctp.Addr{IPs: plain.IPs, Port: 3864, UDPPort: plain.UDPPort}

	flags := []string{"--registrar", secured.String(), "--profile", core.ProfileFast.Name, "--tls-ca", cert}
	serve(t, append(flags, "--tls-cert", cert, "--tls-key", key), "echo", "--pool", "Echo")
	require.Equal(t, "hello\n", ok(t, "hello\n", append([]string{"call", "Echo"}, flags...)...))
	require.Contains(t, ok(t, "", append([]string{"resolve", "Echo"}, flags...)...), "Echo")

	res := command(t, "", append([]string{"resolve", "Echo", "--timeout", "2s", "--tls-name", "registrar.example"}, flags...)...)
	require.Equal(t, 1, res.code, "the certificate is for another name")
}

// damagedFile holds what is in a file, if there is one, and more.
func damagedFile(t *testing.T, path, more string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		b = []byte(path + "\n")
	}
	path = filepath.Join(t.TempDir(), "damaged.pem")
	require.NoError(t, os.WriteFile(path, append(b, more...), 0o600))
	return path
}

func TestTLSFlagsAreChecked(t *testing.T) {
	cert, key := tlsFiles(t)
	for name, args := range map[string][]string{
		"--tls-ca is missing":                          {"registrar", "--tls-cert", cert, "--tls-key", key},
		"--tls-cert and --tls-key":                     {"registrar", "--tls-ca", cert},
		"no such file":                                 {"registrar", "--tls-ca", "/nowhere", "--tls-cert", cert, "--tls-key", key},
		"certificate 1: x509":                          {"registrar", "--tls-ca", damagedFile(t, "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "--tls-cert", cert, "--tls-key", key},
		"damaged behind certificate 1":                 {"registrar", "--tls-ca", damagedFile(t, cert, "-----BEGIN CERTIFICATE-----\nAAAA\n"), "--tls-cert", cert, "--tls-key", key},
		"--asap-tcp-tls: --tls-ca is ":                 {"registrar", "--asap-tcp-tls", "127.0.0.1:3864"},
		"--asap-tcp: ":                                 {"registrar", "--asap-tcp", "127.0.0.1"},
		"no certificate in it":                         {"registrar", "--tls-ca", key, "--tls-cert", cert, "--tls-key", key},
		"--asap-tls-port: 3863 is that of --asap-port": {"registrar", "--tls-ca", cert, "--tls-cert", cert, "--tls-key", key, "--asap-tls-port", "3863"},
		"--tls-cert and --tls-key are ":                {"serve", "echo", "--pool", "p", "--tls-ca", cert},
	} {
		res := command(t, "", args...)
		require.NotZero(t, res.code, name)
		require.Contains(t, res.err, name)
	}
}
