package main

import (
	"crypto/tls"
	"crypto/x509"
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
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: o.name}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", o.ca)
	}
	if o.cert != "" {
		own, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}
