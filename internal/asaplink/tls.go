package asaplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/sctp"
)

// checkTLS checks the configuration for TLS. Who is dialed back has a certificate.
func (c *Config) checkTLS() error {
	if c.TLS == nil {
		return nil
	}
	if err := securelink.Check(c.TLS, c.Listen); err != nil {
		return fmt.Errorf("asap: %w", err)
	}
	return nil
}

// errTLSChange is a new configuration that would have TLS begin or end: registrars have other
// ports for that.
var errTLSChange = errors.New("asap: TLS can be turned on and off with a start only")

// SetTLS replaces the configuration for handshakes that begin from now on; the association
// with the home registrar stays. Where there is no TLS there will be none, and the other way
// round: that is an error.
func (a *Agent) SetTLS(cfg *tls.Config) error {
	if (cfg != nil) != (a.tls.Load() != nil) {
		return errTLSChange
	}
	if err := (&Config{TLS: cfg, Listen: a.listener != nil}).checkTLS(); err != nil {
		return err
	}
	a.tls.Store(cfg)
	return nil
}

// greet makes the handshake of TLS as the one that has dialed, or was; it does nothing
// without TLS.
func (a *Agent) greet(life context.Context, assoc *sctp.Association, to netip.Addr, dialed bool) (*securelink.Link, error) {
	cfg := a.tls.Load()
	if cfg == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(life, a.dialTimeout)
	defer cancel()
	var l *securelink.Link
	var err error
	if dialed {
		l, err = securelink.Client(ctx, life, assoc, sctp.PPID(asap.PPID), securelink.ClientConfig(cfg, to))
	} else {
		l, err = securelink.Server(ctx, life, assoc, sctp.PPID(asap.PPID), securelink.ServerConfig(cfg, true))
	}
	if err != nil {
		log := a.log.Debug
		if dialed {
			log = a.log.Warn // registrars are few and chosen; whoever dials is not
		}
		log("TLS handshake failed", zap.Stringer("registrar", assoc.RemoteAddr()), zap.Error(err))
		_ = assoc.Abort("TLS") // it may have ended
		_ = assoc.Close()      // likewise
	}
	return l, err
}
