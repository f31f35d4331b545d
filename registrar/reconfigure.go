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
// ClosedPeers, StrictAddresses, SuggestTakeovers, Permit and Limits. Other fields of cfg
// are not looked at. What was allowed and is not any more ends at once, as
// core.Registrar.Reconfigure says; nothing else is disturbed.
//
// Names of peers are looked up, at most until ctx ends. An error means that nothing
// has changed; net.ErrClosed that the registrar has ended.
func (r *Registrar) Reconfigure(ctx context.Context, cfg *Config) error {
	peers, err := cfg.peers(ctx)
	if err != nil {
		return err
	}
	peers = slices.DeleteFunc(peers, r.isSelf)
	err = fmt.Errorf("registrar: %w", net.ErrClosed)
	r.input(func(now time.Time) { err = r.core.Reconfigure(now, cfg.settings(peers)) })
	return err
}
