// Package cli is what the commands of this module have in common: mistakes in a command
// line are told in one line that names the value and what is allowed, and --version tells
// what a report of a fault needs.
package cli

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Prepare gives root --version and, with all commands below it, errors of flags and
// arguments that have passed through mark.
func Prepare(root *cobra.Command, mark func(error) error) {
	root.Version = Version()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return mark(flagError(c, err)) })
	prepareArgs(root, mark)
}

// Version is the version of the program and what it was built with and for.
func Version() string {
	v := "unknown"
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		v = b.Main.Version
	}
	return fmt.Sprintf("%s, %s %s/%s", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// prepareArgs has the errors of all argument checks say what the command wants.
func prepareArgs(c *cobra.Command, mark func(error) error) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return mark(fmt.Errorf("%w (%s)", err, wants(c)))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		prepareArgs(sub, mark)
	}
}

// wants is how c is called; the names of the commands below it, if there are any.
func wants(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "usage: " + c.UseLine()
}

// flagError says what a flag of c wants if that is not what err says.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, ValueError(invalid))
	}
	return fmt.Errorf("%w (see %s --help)", err, c.CommandPath())
}

// ValueError says which value a flag did not take, and what it wants.
func ValueError(err *pflag.InvalidValueError) error {
	text := err.GetValue()
	switch err.GetFlag().Value.Type() {
	case "bool":
		return fmt.Errorf("%q is neither true nor false", text)
	case "uint16":
		return fmt.Errorf("%q is not a number from 0 to 65535", text)
	case "uint32":
		return fmt.Errorf("%q is not a number from 0 to 4294967295", text)
	case "int", "float64":
		return fmt.Errorf("%q is not a number", text)
	case "duration":
		return fmt.Errorf("%q is not a time such as 500ms or 5s", text)
	}
	return fmt.Errorf("%q: %w", text, err.Unwrap())
}
