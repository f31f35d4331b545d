package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// configured parses a command line of registrar and the file that it names.
func configured(t *testing.T, yaml string, args ...string) (*cobra.Command, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registrar.yaml")
	require.NoError(t, os.WriteFile(path, []byte(yaml), 0o644))
	c := registrarCommand()
	require.NoError(t, c.ParseFlags(args))
	return c, loadConfig(path, c)
}

// A file has the names of the flags, and the command line wins.
func TestConfigFile(t *testing.T) {
	c, err := configured(t, `
# comments are fine
listen: 192.0.2.1/198.51.100.1@9899
id: 0x10
peer: [192.0.2.2:9901, "192.0.2.3:9901"]
announce: on
profile: fast
http: 127.0.0.1:8080
closed-peers: true
asap-port: 4000
`, "--profile", "rsplib", "--asap-port", "3000")
	require.NoError(t, err)
	for name, want := range map[string]string{
		"listen": "192.0.2.1/198.51.100.1@9899", "id": "0x00000010", "peer": "[192.0.2.2:9901,192.0.2.3:9901]",
		"announce": "on", "profile": "rsplib", "http": "127.0.0.1:8080", "closed-peers": "true", "asap-port": "3000", "enrp-port": "9901",
	} {
		require.Equal(t, want, c.Flags().Lookup(name).Value.String(), name)
	}
	require.True(t, c.Flags().Changed("http"), "given, so a failure of it is one")

	c, err = configured(t, "peer:\n  - a:1\n  - b:2\n", "--peer", "c:3")
	require.NoError(t, err)
	require.Equal(t, "[c:3]", c.Flags().Lookup("peer").Value.String())

	c, err = configured(t, "peer: a:1")
	require.NoError(t, err)
	require.Equal(t, "[a:1]", c.Flags().Lookup("peer").Value.String(), "a list of one")

	for _, empty := range []string{"", "# nothing\n", "---\n"} {
		_, err = configured(t, empty)
		require.NoError(t, err)
	}
}

// What a file says and the command does not know is a mistake, not a comment.
func TestConfigFileMistakes(t *testing.T) {
	for yaml, text := range map[string]string{
		"nonsense: 1":             `:1: unknown key "nonsense"`,
		"listen: a\nprofil: fast": `:2: unknown key "profil"`,
		"config: other.yaml":      "unknown key",
		"help: true":              "unknown key",
		"exit-with-stdin: true":   "unknown key",
		"id: 0":                   "id",
		"id: [1, 2]":              "one value",
		"id: {a: 1}":              "plain value",
		"asap-port: 70000":        "asap-port",
		"closed-peers: maybe":     "closed-peers",
		"peer: [[a]]":             "plain value",
		"id:":                     "plain value",
		"- a\n- b":                "not a list of names",
		"just text":               "not a list of names",
		"a: [":                    "",
		"id: 1\nid: 2":            "id",
	} {
		_, err := configured(t, yaml)
		require.ErrorContains(t, err, text, yaml)
		var u usageError
		require.ErrorAs(t, err, &u, yaml)
	}
}
