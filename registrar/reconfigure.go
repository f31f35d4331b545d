package registrar

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// settings is the part of the configuration that Reconfigure can change.
func (c *Config) settings(peers []rserpool.Transport) core.Config {
	return core.Config{
		Peers: peers, Access: c.Access, ClosedPeers: c.ClosedPeers, StrictAddresses: c.StrictAddresses,
		SuggestTakeovers: c.SuggestTakeovers, Permit: c.Permit, Limits: c.Limits,
	}
}

// Reconfigure takes over what may change while a registrar runs: Peers, Access,
// ClosedPeers, StrictAddresses, SuggestTakeovers, Permit, Limits and TLS. Other fields of
// cfg are not looked at. What was allowed and is not any more ends at once, as
// core.Registrar.Reconfigure says; nothing else is disturbed.
//
// TLS counts for handshakes that begin from now on; connections that there are stay,
// with the certificates that they began with. A registrar stays secured or not: TLS that
// is nil where there was some, or the other way round, is an error.
//
// Names of peers are looked up, at most until ctx ends. An error means that nothing
// has changed; net.ErrClosed that the registrar has ended.
func (r *Registrar) Reconfigure(ctx context.Context, cfg *Config) error {
	if err := cfg.checkTLS(); err != nil {
		return err
	}
	if (cfg.TLS != nil) != r.secured() {
		return errTLSChange
	}
	peers, err := cfg.peers(ctx)
	if err != nil {
		return err
	}
	peers = slices.DeleteFunc(peers, r.isSelf)
	err = fmt.Errorf("registrar: %w", net.ErrClosed)
	r.input(func(now time.Time) {
		if err = r.core.Reconfigure(now, cfg.settings(peers)); err == nil {
			r.tls.Store(cfg.TLS)
		}
	})
	return err
}
