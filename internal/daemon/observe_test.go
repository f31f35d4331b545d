package daemon_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket/pcapgo"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/sctp"
)

// observe parses flags.
func observe(t *testing.T, args ...string) *daemon.Observe {
	t.Helper()
	var o daemon.Observe
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.AddFlags(f)
	o.AddMetrics(f)
	require.NoError(t, f.Parse(args))
	return &o
}

var onLoopback = sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}

// The files are complete once the stack is closed, and nobody else can read them.
func TestObserveWritesFiles(t *testing.T) {
	dir := t.TempDir()
	pcap, trace := filepath.Join(dir, "a.pcapng"), filepath.Join(dir, "a.json")
	o := observe(t, "--pcap", pcap, "--pcap-snap", "100", "--trace", trace)
	require.True(t, o.Enabled())
	var errs bytes.Buffer
	s, done, err := o.Open(t.Context(), onLoopback, &errs)
	require.NoError(t, err)
	l, err := s.Listen(nil, nil)
	require.NoError(t, err)
	a, err := s.Dial(t.Context(), l.Addr().(*sctp.Addr), nil)
	require.NoError(t, err)
	require.NoError(t, a.Send(t.Context(), &sctp.Message{Data: make([]byte, 1000)}))
	require.NoError(t, a.Close())
	require.NoError(t, done())
	require.NoError(t, done(), "idempotent")
	require.Empty(t, errs.String())
	st := s.Stats()
	f, err := os.Open(pcap)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	packets := 0
	for ; ; packets++ {
		b, _, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), 100)
	}
	require.EqualValues(t, st.PacketsIn+st.PacketsOut, packets)
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	for line := range bytes.Lines(text) {
		require.True(t, json.Valid(line), "%s", line)
	}
	require.Contains(t, string(text), `"kind":"end"`)
	for _, name := range []string{pcap, trace} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

// What cannot be opened fails before anything runs, and leaves nothing behind.
func TestObserveFails(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none", "file")
	for _, args := range [][]string{{"--pcap", none}, {"--trace", none}, {"--metrics", "256.0.0.1:0"}} {
		_, _, err := observe(t, args...).Open(t.Context(), onLoopback, io.Discard)
		require.Error(t, err, args)
	}
	require.False(t, observe(t).Enabled())
	if _, err := os.Stat("/dev/full"); err == nil {
		_, _, err := observe(t, "--pcap", "/dev/full").Open(t.Context(), onLoopback, io.Discard)
		require.Error(t, err, "a full disk")
	}
}
