package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzConfigFile reads any bytes as a configuration file: a usage error, or flags
// that are set; never a panic. What is accepted is accepted again.
func FuzzConfigFile(f *testing.F) {
	for _, s := range []string{
		"listen: 192.0.2.1/198.51.100.1@9899\nid: 0x10\npeer: [192.0.2.2:9901, \"192.0.2.3:9901\"]\nprofile: fast\n",
		"peer:\n  - a:1\n  - b:2\n", "", "---\n", "id: 1\nid: 2\n", "- a\n- b\n", "unknown: 1\n", "asap-port: 99999\n", "a: &x [*x]\n", "\x00",
	} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "registrar.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		c := registrarCommand()
		_, err := loadConfig(path, c)
		if err != nil {
			var u usageError
			require.True(t, errors.As(err, &u), "%v", err)
			require.False(t, strings.Contains(err.Error(), "panic"))
			return
		}
		_, err = loadConfig(path, registrarCommand())
		require.NoError(t, err)
	})
}
