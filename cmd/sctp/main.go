// Command sctp is tools for SCTP over UDP: measure (perf), talk (nc), look into
// captures (dump).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/internal/cli"
)

// Exit codes of the commands of this module.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitUnsupported = 3 // a perf mode that this peer does not have
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// usage marks the error of an argument or flag as one of usage.
func usage(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "sctp:", oneLine(err))
	var u usageError
	switch {
	case errors.As(err, &u):
		return exitUsage
	case errors.Is(err, errUnsupported):
		return exitUnsupported
	}
	return exitFailure
}

// oneLine is the text of an error for the user: without the package name that errors of
// the library begin with, since the command's own name stands there already.
func oneLine(err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	s = strings.ReplaceAll(s, context.Canceled.Error(), "interrupted")
	const p = "sctp: "
	for len(s) > len(p) && s[:len(p)] == p {
		s = s[len(p):]
	}
	return s
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sctp",
		Short: "Tools for SCTP over UDP (RFC 9260, RFC 6951)",
		Long: `Tools for SCTP over UDP (RFC 9260, RFC 6951).

Addresses are IP[/IP...]:PORT[@UDPPORT]: all addresses of a multi-homed endpoint,
its SCTP port and its UDP encapsulation port (default 9899). IPv6 addresses stand
in brackets: [2001:db8::1]/192.0.2.1:5001@9899. Host names are accepted, too.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(perfCommand(), ncCommand(), dumpCommand())
	cli.Prepare(root, func(err error) error { return usageError{err} })
	return root
}
