package asaplink

import (
	"context"
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

// greet makes the handshake of TLS as the one that has dialed, or was; it does nothing
// without TLS.
func (a *Agent) greet(life context.Context, assoc *sctp.Association, to netip.Addr, dialed bool) (*securelink.Link, error) {
	if a.tls == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(life, a.dialTimeout)
	defer cancel()
	var l *securelink.Link
	var err error
	if dialed {
		l, err = securelink.Client(ctx, life, assoc, sctp.PPID(asap.PPID), securelink.ClientConfig(a.tls, to))
	} else {
		l, err = securelink.Server(ctx, life, assoc, sctp.PPID(asap.PPID), securelink.ServerConfig(a.tls, true))
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
