package registrar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/securelink"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/sctp"
)

// SCTP ports for TLS (RFC 5352 §10.5, RFC 5353 §7.4).
const (
	asapTLSPort = 3864
	enrpTLSPort = 9902
)

// maxHandshakes bounds the TLS handshakes under way with those who dialed, and
// maxHandshakesPerSource those with one host, or network of IPv6, so that nobody takes all.
// Each ends within the profile's DialTimeout.
const (
	maxHandshakes          = 1024
	maxHandshakesPerSource = 256
)

// errTLSChange is a new configuration that would have a secured registrar speak without
// TLS, or the other way round: others would not find its ports.
var errTLSChange = errors.New("registrar: TLS can be turned on and off with a start only")

// asapTLSPort is the port for elements and users with TLS.
func (c *Config) asapTLSPort() uint16 {
	if c.ASAPTLSPort != 0 {
		return c.ASAPTLSPort
	}
	return asapTLSPort
}

func (c *Config) checkTLS() error {
	if c.TLS == nil {
		return nil
	}
	if err := securelink.Check(c.TLS, true); err != nil {
		return fmt.Errorf("registrar: %w", err)
	}
	return nil
}

// secured reports whether this registrar speaks TLS, which does not change.
func (r *Registrar) secured() bool { return r.tls.Load() != nil }

// isSecure reports whether the associations that a listener accepts speak TLS.
func (r *Registrar) isSecure(l *sctp.Listener) bool {
	if !r.secured() {
		return false
	}
	port := l.Addr().(*sctp.Addr).Port
	return port == r.cfg.enrpPort() || port == r.cfg.asapTLSPort()
}

// greet makes the handshake of an association that somebody opened, and adopts it.
// Registrars must show a certificate; elements as well, but they are not told from users
// before they register.
func (r *Registrar) greet(a *sctp.Association, ch core.Channel) {
	leave, ok := r.handshakes.Enter(securelink.Source(a))
	if !ok {
		r.dismiss(a, "too many handshakes")
		return
	}
	r.tasks.Go(func() {
		defer leave()
		ctx, cancel := context.WithTimeout(r.ctx, r.cfg.profile().Transport.DialTimeout)
		defer cancel()
		link, err := securelink.Server(ctx, r.ctx, a, sctp.PPID(ch.PPID()), securelink.ServerConfig(r.tls.Load(), ch == core.ENRP))
		if err != nil {
			r.log.Debug("TLS handshake failed", zap.Stringer("channel", ch), zap.Stringer("from", a.RemoteAddr()), zap.Error(err))
			r.dismiss(a, "TLS")
			return
		}
		r.adopt(a, ch, link)
	})
}

func (r *Registrar) dismiss(a under, why string) {
	_ = a.Abort(why) // may have ended already
	_ = a.Close()
}

// secure makes the handshake of an association that this registrar opened; nil without
// TLS.
func (r *Registrar) secure(ctx context.Context, a *sctp.Association, ch core.Channel) (*securelink.Link, error) {
	if !r.secured() {
		return nil, nil
	}
	link, err := securelink.Client(ctx, r.ctx, a, sctp.PPID(ch.PPID()), securelink.MemberConfig(r.tls.Load()))
	if err != nil {
		r.log.Info("TLS handshake failed", zap.Stringer("channel", ch), zap.Stringer("with", a.RemoteAddr()), zap.Error(err))
		r.dismiss(a, "TLS")
	}
	return link, err
}

// readLink hands the messages of a connection with TLS or TCP to the state machine.
func (r *Registrar) readLink(c *conn) {
	for {
		b, err := c.link.Receive()
		if err != nil {
			r.lost(c, err)
			_ = c.under.Close() // ended already, or of no use
			return
		}
		begin := time.Now()
		r.input(func(now time.Time) { r.core.Receive(now, c.id, c.channel.PPID(), b) })
		r.meters[kindOf(c.channel, b)].observe(time.Since(begin))
	}
}
