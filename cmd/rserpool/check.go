package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/sctp"
)

// checkConfig makes the checks of a start without opening anything: values and what
// they have to do with each other, files and directories. Host names are not looked up.
func (o *registrarOptions) checkConfig(c *cobra.Command) error {
	if _, _, err := o.log.adjustable(c.ErrOrStderr()); err != nil {
		return o.from.locate(err)
	}
	cfg, err := o.resolve(c.Context(), zap.NewNop())
	if err != nil {
		return err
	}
	if err := cfg.Profile.Validate(); err != nil {
		return err
	}
	if err := o.checkFiles(); err != nil {
		return o.from.locate(err)
	}
	what := o.config
	if what == "" {
		what = "command line"
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: ok\n", what)
	return nil
}

// checkFiles checks what the flags name outside of the command.
func (o *registrarOptions) checkFiles() error {
	if o.http != "" && o.http != "off" {
		_, port, err := net.SplitHostPort(o.http)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return usage("--http: %q: want HOST:PORT or off", o.http)
		}
	}
	if o.state != "" {
		if err := registrar.CheckState(o.state); err != nil {
			return err
		}
	}
	return o.observe.Check()
}

// checkSyntax is checkAddr without looking names up.
func checkSyntax(flag, address string) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // so nobody is asked
	_, err := sctp.ResolveAddr(ctx, address)
	var dns *net.DNSError
	if err == nil || errors.As(err, &dns) || errors.Is(err, context.Canceled) {
		return nil
	}
	return usage("%s: %s", flag, oneLine(err))
}
