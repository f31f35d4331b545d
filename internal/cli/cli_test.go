package cli_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/cli"
)

var errMistake = errors.New("mistake")

// program is a root with one command that takes one argument and some flags.
func program(args ...string) *cobra.Command {
	root := &cobra.Command{Use: "prog", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }}
	sub := &cobra.Command{Use: "go FILE", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return nil }}
	f := sub.Flags()
	f.Bool("loud", false, "")
	f.Uint16("port", 0, "")
	f.Uint32("id", 0, "")
	f.Int("items", 0, "")
	f.Float64("rate", 0, "")
	f.Duration("wait", time.Second, "")
	f.IP("at", nil, "")
	root.AddCommand(sub)
	cli.Prepare(root, func(err error) error { return errors.Join(errMistake, err) })
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return root
}

// A mistake in a command line is told with the value and what is wanted.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{`unknown command "walk" for "prog" (completion, go)`, []string{"walk"}},
		{"accepts 1 arg(s), received 0 (usage: prog go FILE [flags])", []string{"go"}},
		{"accepts 1 arg(s), received 2 (usage: prog go FILE [flags])", []string{"go", "a", "b"}},
		{"unknown flag: --quiet (see prog go --help)", []string{"go", "a", "--quiet"}},
		{"flag needs an argument: --port (see prog go --help)", []string{"go", "a", "--port"}},
		{`--loud: "maybe" is neither true nor false`, []string{"go", "a", "--loud=maybe"}},
		{`--port: "65536" is not a number from 0 to 65535`, []string{"go", "a", "--port", "65536"}},
		{`--id: "-1" is not a number from 0 to 4294967295`, []string{"go", "a", "--id", "-1"}},
		{`--items: "many" is not a number`, []string{"go", "a", "--items", "many"}},
		{`--rate: "1/s" is not a number`, []string{"go", "a", "--rate", "1/s"}},
		{`--wait: "5" is not a time such as 500ms or 5s`, []string{"go", "a", "--wait", "5"}},
		{`--at: "here": failed to parse IP: "here"`, []string{"go", "a", "--at", "here"}},
	} {
		err := program(c.args...).Execute()
		require.ErrorIs(t, err, errMistake, c.args)
		require.Equal(t, errMistake.Error()+"\n"+c.want, err.Error())
	}
	require.NoError(t, program("go", "a", "--port", "65535").Execute())
}

// --version tells the version, and what the program was built with and for.
func TestVersion(t *testing.T) {
	require.NoError(t, program("--version").Execute())
	require.Regexp(t, `^\S+, go\S+ \w+/\w+$`, cli.Version())
}
