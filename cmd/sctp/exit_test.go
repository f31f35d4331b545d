package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Exit codes: 0 success, 1 failure, 2 usage, 3 a perf mode that does not exist.
// Errors are one line on standard error that begins with the command's name.
func TestExitCodes(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("this is no capture"), 0o600))
	for line, want := range map[string]int{
		"":                   0,
		"--help":             0,
		"perf":               0,
		"perf client --help": 0,
		"completion bash":    0,
		"dump ../../sctp/wire/testdata/sctp-basic.pcapng": 0,
		"dump " + text:                        1,
		"dump " + text + ".missing":           1,
		"nc -l 192.0.2.77:5000@0":             1, // not an address of this host
		"perf server 192.0.2.77:5000@0":       1,
		"sing":                                2,
		"--loud":                              2,
		"dump":                                2,
		"dump a b":                            2,
		"dump --yaml a":                       2,
		"nc":                                  2,
		"nc 127.0.0.1":                        2, // no port
		"nc 127.0.0.1:0x50":                   2,
		"nc 127.0.0.1:5000@65536":             2,
		"nc ::1:5000":                         2, // no brackets
		"nc -l [127.0.0.1]:5000":              2,
		"nc -l host.invalid:5000":             2, // a name is no address to listen on
		"nc --stream 65536 127.0.0.1:5000":    2,
		"nc --ppid -1 127.0.0.1:5000":         2,
		"perf server":                         2,
		"perf server nowhere":                 2,
		"perf client 127.0.0.1:5000":          2,
		"perf client 127.0.0.1:5000 bulk":     2,
		"perf client 127.0.0.1:5000 bulk 0 1": 2,
		"perf client 127.0.0.1:5000 bulk x 1": 2,
		"perf client 127.0.0.1 bulk 64 100":   2,
		"perf client 127.0.0.1:5000 sing 1":   3,
	} {
		c := exec.CommandContext(t.Context(), exe, strings.Fields(line)...)
		c.Env = append(os.Environ(), "SCTP_TEST_COMMAND=1")
		var problem strings.Builder
		c.Stderr = &problem
		_ = c.Run() // the exit code says it
		require.Equal(t, want, c.ProcessState.ExitCode(), "sctp %s: %s", line, &problem)
		if want == 0 {
			require.Empty(t, problem.String(), line)
			continue
		}
		require.Equal(t, 1, strings.Count(problem.String(), "\n"), "sctp %s: %s", line, &problem)
		require.True(t, strings.HasPrefix(problem.String(), "sctp: "), "sctp %s: %s", line, &problem)
		require.False(t, strings.HasPrefix(problem.String(), "sctp: sctp: "), problem.String())
	}
}
