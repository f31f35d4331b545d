// Command rserpool runs and uses reliable server pools: registrars, pool elements with
// simple services, and tools for pool users.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/internal/cli"
)

// Exit codes of the command.
const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage marks the error of an argument or flag as one of usage.
func usage(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// sameSignal is how long signals count as one.
const sameSignal = 250 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the command in order; after that they do what they do by
	// default, so that the second one ends it at once. One that comes together with the
	// first is the same: timeout(1) sends it to the process and to its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(errOut, "rserpool:", oneLine(err))
	var u usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailure
}

// libraries are the packages that put their name in front of errors.
var libraries = []string{"rserpool", "pooluser", "poolelement", "registrar", "asap", "enrp", "sctp"}

// oneLine is the text of an error for the user: in one line and without the names of
// library packages.
func oneLine(err error) string {
	s := ": " + strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	s = strings.ReplaceAll(s, context.DeadlineExceeded.Error(), "timeout")
	s = strings.ReplaceAll(s, context.Canceled.Error(), "interrupted")
	for _, l := range libraries {
		s = strings.ReplaceAll(s, ": "+l+": ", ": ")
		s = strings.ReplaceAll(s, "("+l+": ", "(")
	}
	return strings.TrimPrefix(s, ": ")
}

// Commands are shown in the order of their use. It is a variable of the library, which tests
// that run several commands at once must not write to.
func init() { cobra.EnableCommandSorting = false }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "rserpool",
		Short: "Reliable server pooling (RFC 5351) over SCTP in UDP",
		Long: `Reliable server pooling (RFC 5351 to 5356) over SCTP in UDP (RFC 9260, RFC
6951).

Servers register with a registrar as elements of a pool; users ask a registrar
for a pool by its name and talk to one of its elements. Registrars share what
they know, so that none of them is needed for long; and a user whose element
dies goes on with another.

Addresses are IP[/IP...]:PORT[@UDPPORT]: all addresses of a multi-homed
endpoint, its SCTP port and its UDP encapsulation port (default 9899). IPv6
addresses stand in brackets: [2001:db8::1]/192.0.2.1:3863@9899. Host names are
accepted, too.`,
		Example: `  rserpool demo
  rserpool registrar &
  rserpool serve echo --pool EchoPool &
  echo hello | rserpool call EchoPool`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(registrarCommand(), serveCommand(), getCommand(), callCommand(),
		resolveCommand(), statusCommand(), demoCommand())
	cli.Prepare(root, func(err error) error { return usageError{err} })
	return root
}
