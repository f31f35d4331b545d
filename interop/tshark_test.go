//go:build interop

package interop

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// endCapture ends a recording that capture began, so that its file is complete.
func endCapture(t testing.TB, tag string) {
	t.Helper()
	rig(t, "endcapture", tag)
}

// tshark runs tshark on a capture and returns what it prints.
func tshark(t testing.TB, file string, args ...string) string {
	t.Helper()
	out, err := exec.Command("tshark", append([]string{"-n", "-r", file}, args...)...).Output()
	require.NoError(t, err)
	return string(out)
}

// chunks lists the chunks of a capture in order, a line each: source address and
// chunk type.
func chunks(t testing.TB, file string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(tshark(t, file, "-Y", "sctp", "-T", "fields", "-e", "ip.src", "-e", "sctp.chunk_type")) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		for kind := range strings.SplitSeq(f[1], ",") {
			b.WriteString(f[0] + " " + kind + "\n")
		}
	}
	return b.String()
}

// fields is one field of all packets from an address that have a chunk of a type.
func fields(t testing.TB, file, from, chunk, field string) string {
	t.Helper()
	return strings.TrimSpace(tshark(t, file, "-Y", "ip.src=="+from+" && sctp.chunk_type=="+chunk, "-T", "fields", "-e", field))
}
