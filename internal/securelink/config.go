package securelink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
)

// ErrNoAuthority is a configuration without RootCAs: whoever the system trusts would be
// let in.
var ErrNoAuthority = errors.New("TLS: no certificate authority (RootCAs)")

// ErrNoCertificate is a configuration without a certificate where one has to be shown.
var ErrNoCertificate = errors.New("TLS: no certificate")

// Check checks the configuration of an end that shows its certificate if it must.
func Check(c *tls.Config, must bool) error {
	switch {
	case c.RootCAs == nil:
		return ErrNoAuthority
	case must && len(c.Certificates) == 0 && c.GetCertificate == nil:
		return ErrNoCertificate
	}
	return nil
}

// base is what all ends have in common. Records are as long as messages are, and thus
// SCTP's to fragment (RFC 3436 §3.2).
func base(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.DynamicRecordSizingDisabled = true
	return c
}

// ServerConfig is the configuration of an end that is dialed. It checks certificates of
// those who dial, and wants one if required.
func ServerConfig(c *tls.Config, required bool) *tls.Config {
	c = base(c)
	if c.ClientCAs == nil {
		c.ClientCAs = c.RootCAs
	}
	c.ClientAuth = tls.VerifyClientCertIfGiven
	if required {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c
}

// ClientConfig is the configuration of an element or user that dials a registrar: the
// certificate must be for ServerName or, if that is empty, for the address that was
// dialed (RFC 5352 §9.2: "the client MUST verify the server's identity").
func ClientConfig(c *tls.Config, to netip.Addr) *tls.Config {
	c = base(c)
	if c.ServerName == "" {
		c.ServerName = to.Unmap().WithZone("").String()
	}
	return c
}

// MemberConfig is the configuration of a registrar that dials another one or an element.
// These have no names; what counts is that the authority has signed the certificate.
func MemberConfig(c *tls.Config) *tls.Config {
	c = base(c)
	roots := c.RootCAs
	c.InsecureSkipVerify = true // the chain is verified below, a name is not
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return ErrNoCertificate
		}
		between := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
	return c
}
