package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/sctp"
)

// watchStack opens the SCTP stack of a command whose flags say that it is to be watched;
// otherwise it returns no stack, and whoever needs one opens its own. listen is the
// command's local address, which was checked, and udpPort the UDP port without one.
// done closes the stack and the files.
func watchStack(c *cobra.Command, o *daemon.Observe, listen string, udpPort uint16, log *zap.Logger) (s *sctp.Stack, done func() error, err error) {
	if !o.Enabled() {
		return nil, func() error { return nil }, nil
	}
	cfg := sctp.StackConfig{UDPPort: udpPort, Logger: log}
	if listen != "" {
		a, err := sctp.ParseListenAddr(listen)
		if err != nil {
			return nil, nil, err
		}
		cfg.ListenAddrs, cfg.UDPPort = a.IPs, a.UDPPort
	}
	return o.Open(c.Context(), cfg, c.ErrOrStderr())
}

// poolUser is a pool user with the stack that was opened for it, if one was.
type poolUser struct {
	*pooluser.PoolUser
	registrars []string
	done       func() error
}

// asked adds to an error which registrars did not answer.
func (u *poolUser) asked(err error) error {
	if errors.Is(err, core.ErrNoRegistrar) && len(u.registrars) > 0 {
		return fmt.Errorf("%w: %s", err, strings.Join(u.registrars, ", "))
	}
	return err
}

// Close closes both.
func (u *poolUser) Close() error { return errors.Join(u.PoolUser.Close(), u.done()) }
