package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
)

// configured parses a command line of registrar and the file that it names.
func configured(t *testing.T, yaml string, args ...string) (*cobra.Command, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registrar.yaml")
	require.NoError(t, os.WriteFile(path, []byte(yaml), 0o644))
	c := registrarCommand()
	require.NoError(t, c.ParseFlags(args))
	_, err := loadConfig(path, c)
	return c, err
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

// The example names every key that there is, and nothing else.
func TestConfigExampleIsComplete(t *testing.T) {
	example := filepath.Join("..", "..", "docs", "registrar.yaml")
	require.Equal(t, example+": ok\n", ok(t, "", "registrar", "--config", example, "--check-config"))
	b, err := os.ReadFile(example)
	require.NoError(t, err)
	require.Contains(t, string(b), "pcap:")
	cert, key := tlsFiles(t)
	var all []string // what is commented out is right, too
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") && strings.Contains(rest, ":") {
			line = strings.NewReplacer("/var/log/rserpool", t.TempDir(), "/var/lib/rserpool", t.TempDir(),
				"/etc/rserpool/ca.pem", cert, "/etc/rserpool/registrar.pem", cert, "/etc/rserpool/registrar.key", key).Replace(rest)
		}
		all = append(all, line)
	}
	path := filepath.Join(t.TempDir(), "all.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(all, "")), 0o600))
	ok(t, "", "registrar", "--config", path, "--check-config")
	c := registrarCommand()
	_, err = loadConfig(path, c)
	require.NoError(t, err)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && !slices.Contains(notInConfig, f.Name) {
			require.True(t, f.Changed, "%s is not in %s", f.Name, example)
		}
		if n, ok := f.Value.(named); ok {
			for _, name := range n.names() {
				require.Contains(t, string(b), "\n  "+name+":")
			}
		}
	})
}

// Access rules and limits, in a file and on the command line.
func TestConfigAccessAndLimits(t *testing.T) {
	const file = `
access:
  - allow register from 192.0.2.0/24 pool web-*
  - deny all
limit:
  elements: 50
  pools: none
  resolutions-per-source: 2.5
`
	c, err := configured(t, file)
	require.NoError(t, err)
	require.Equal(t, []string{"allow register from 192.0.2.0/24 pool web-*", "deny all"}, c.Flags().Lookup("access").Value.(pflag.SliceValue).GetSlice())
	limits := c.Flags().Lookup("limit").Value.(*limitFlag).limits
	require.Equal(t, core.Limits{Elements: 50, Pools: -1, Resolutions: core.Rates{Source: 2.5}}, limits)

	c, err = configured(t, file, "--access", "allow all", "--limit", "peers=3", "--limit", "reports-per-pool=none")
	require.NoError(t, err)
	require.Equal(t, "allow all", c.Flags().Lookup("access").Value.String(), "the command line wins")
	require.Equal(t, core.Limits{Peers: 3, Reports: core.Rates{Pool: -1}}, c.Flags().Lookup("limit").Value.(*limitFlag).limits)
	require.Equal(t, []string{"--access=allow all", "--limit=peers=3", "--limit=reports-per-pool=none"}, given(c), "and can be repeated")
}

// Whatever is wrong is said with its place, its key, its value and what is allowed.
func TestConfigMistakesNameThePlace(t *testing.T) {
	for yaml, want := range map[string]string{
		"life-unit: h":                       `FILE:1: life-unit: unknown unit "h" (auto, s, ms)`,
		"arbitration: dice":                  `FILE:1: arbitration: unknown rule "dice" (auto, larger, smaller)`,
		"\nprofile: slow":                    `FILE:2: profile: unknown profile "slow" (default, rfc, rsplib, fast)`,
		"log: loud":                          `FILE:1: log: unknown level "loud" (debug, info, warn, error or off)`,
		"listen: nowhere":                    `FILE:1: listen: listen address "nowhere": `,
		"peer:\n- 192.0.2.1:9901\n- '[x]:1'": `FILE:1: peer: address "[x]:1": `,
		"peer: 192.0.2.1":                    `FILE:1: peer: address "192.0.2.1": no port`,
		"asap-port: 70000":                   `FILE:1: asap-port: "70000" is not a number from 0 to 65535`,
		"closed-peers: maybe":                `FILE:1: closed-peers: "maybe" is neither true nor false`,
		"items: many":                        `FILE:1: items: "many" is not a number`,
		"items: -1":                          `FILE:1: items: -1 is below 0`,
		"id: xyz":                            `FILE:1: id: "xyz": not a hex number from 1 to ffffffff`,
		"http: nowhere":                      `FILE:1: http: "nowhere": want HOST:PORT or off`,
		"access:\n- allow all\n- allow fly":  `FILE:3: access: "allow fly": access rule "allow fly": unknown operation "fly" (all, register,`,
		"access: [allow all from 1.2.3]":     `FILE:1: access: "allow all from 1.2.3"`,
		"limit: 5":                           `FILE:1: limit: names and values expected`,
		"limit: {elephants: 5}":              `FILE:1: limit: "elephants=5": unknown limit (elements, pools,`,
		"limit:\n  pools: 3\n  peers: -2":    `FILE:3: limit: "peers=-2": peers is a number from 1, or none`,
		"limit:\n  reports-per-pool: 0":      `FILE:2: limit: "reports-per-pool=0": reports-per-pool is a number in a second above 0, or none`,
		"limit: {peers: [1]}":                `FILE:1: limit: not a plain value`,
		"snapshot: 5s":                       `FILE:1: snapshot: --state is missing`,
		"state: /tmp\nsnapshot: often":       `FILE:2: snapshot: "often" is not a time such as 500ms or 5s`,
		"pcap: /none/such/file":              `stat /none/such: no such file or directory`,
	} {
		path := filepath.Join(t.TempDir(), "registrar.yaml")
		require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
		r := command(t, "", "registrar", "--config", path, "--check-config")
		require.Contains(t, r.err, "rserpool: "+strings.ReplaceAll(want, "FILE", path), yaml)
		require.Empty(t, r.out)
		code := exitUsage
		if strings.HasPrefix(yaml, "pcap") {
			code = exitFailure
		}
		require.Equal(t, code, r.code, yaml)
	}
	r := command(t, "", "registrar", "--check-config", "--profile", "slow")
	require.Contains(t, r.err, "rserpool: --profile: unknown profile")
	require.Equal(t, "command line: ok\n", ok(t, "", "registrar", "--check-config", "--peer", "registrar.example:9901"), "names are not looked up")
}

// RFC 5353 §3.5.1, RFC 5354 §3.10: the rule of takeovers and the unit of registration
// lives are those of the profile unless they are chosen by themselves.
func TestConfigUnitAndRule(t *testing.T) {
	for yaml, want := range map[string]core.Profile{
		"profile: rsplib":                     {Name: "rsplib", LifeUnit: core.LifeMilliseconds, Arbitration: core.ArbitrationSmaller},
		"profile: fast":                       {Name: "fast", LifeUnit: core.LifeAuto, Arbitration: core.ArbitrationAuto},
		"life-unit: ms\narbitration: smaller": {Name: "default", LifeUnit: core.LifeMilliseconds, Arbitration: core.ArbitrationSmaller},
		"profile: rsplib\nlife-unit: s":       {Name: "rsplib", LifeUnit: core.LifeSeconds, Arbitration: core.ArbitrationSmaller},
		"profile: rfc\narbitration: auto":     {Name: "rfc", LifeUnit: core.LifeSeconds, Arbitration: core.ArbitrationAuto},
	} {
		path := filepath.Join(t.TempDir(), "registrar.yaml")
		require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
		c, o := newRegistrarCommand()
		_, err := loadConfig(path, c)
		require.NoError(t, err)
		cfg, err := o.resolve(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, want, core.Profile{Name: cfg.Profile.Name, LifeUnit: cfg.Profile.LifeUnit, Arbitration: cfg.Profile.Arbitration}, yaml)
	}
}

// There is a name for each field of core.Limits; Items is a flag of its own.
func TestConfigLimitsAreComplete(t *testing.T) {
	fields := 0
	for _, f := range reflect.VisibleFields(reflect.TypeFor[core.Limits]()) {
		if fields++; f.Type == reflect.TypeFor[core.Rates]() {
			fields++
		}
	}
	require.Len(t, limitNames, fields-1)
	var all limitFlag
	for i, name := range limitNames {
		require.NoError(t, all.Set(name+"="+strconv.Itoa(i+1)))
	}
	all.limits.Items = 1
	v := reflect.ValueOf(all.limits)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}
}

// Flags that were set can be unset, so that a file can be read into them again.
func TestConfigCanBeReadAgain(t *testing.T) {
	c, o := newRegistrarCommand()
	want := map[string]string{}
	c.Flags().VisitAll(func(f *pflag.Flag) { want[f.Name] = f.Value.String() })
	example := filepath.Join("..", "..", "docs", "registrar.yaml")
	for range 2 {
		_, err := loadConfig(example, c)
		require.NoError(t, err)
		require.Len(t, o.access, 5)
		require.Len(t, o.peers, 2)
		require.Equal(t, 64, o.limit.limits.Peers)
		unset(c.Flags())
		c.Flags().VisitAll(func(f *pflag.Flag) {
			require.Equal(t, want[f.Name], f.Value.String(), f.Name)
			require.False(t, f.Changed, f.Name)
		})
		require.Equal(t, core.Limits{}, o.limit.limits)
	}
}
