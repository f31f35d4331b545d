package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// tlsOptions are the flags about TLS between registrars, elements and users.
type tlsOptions struct{ ca, cert, key, name string }

func (o *tlsOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.ca, "tls-ca", "", "speak TLS; `file` with the certificates (PEM) of who signed those of the others")
	f.StringVar(&o.cert, "tls-cert", "", "`file` with the own certificate (PEM)")
	f.StringVar(&o.key, "tls-key", "", "`file` with its key (PEM)")
	for _, name := range []string{"tls-ca", "tls-cert", "tls-key"} {
		must(c.MarkFlagFilename(name, "pem", "crt", "key"))
	}
}

func (o *tlsOptions) addName(c *cobra.Command) {
	c.Flags().StringVar(&o.name, "tls-name", "", "`name` in the certificates of registrars (default the address)")
	noFiles(c, "tls-name")
}

// config reads the files; nil without TLS. A certificate may be left out unless must.
func (o *tlsOptions) config(must bool) (*tls.Config, error) {
	switch {
	case o.ca == "" && o.cert == "" && o.key == "" && o.name == "":
		return nil, nil
	case o.ca == "":
		return nil, usage("--tls-ca is missing")
	case (o.cert == "") != (o.key == ""), must && o.cert == "":
		return nil, usage("--tls-cert and --tls-key are both needed")
	}
	roots, err := authorities(o.ca)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: roots, ServerName: o.name}
	if o.cert != "" {
		own, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", o.cert, o.key, err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

// authorities reads a file of certificates. One that cannot be read is an error, where
// x509.CertPool would go on without it.
func authorities(path string) (*x509.CertPool, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		n++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, n, err)
		}
		pool.AddCert(cert)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, fmt.Errorf("%s: damaged behind certificate %d", path, n)
	case n == 0:
		return nil, fmt.Errorf("%s: no certificate in it", path)
	}
	return pool, nil
}
