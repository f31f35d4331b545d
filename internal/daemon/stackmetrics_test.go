package daemon_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

// stack opens a stack on loopback.
func stack(t *testing.T, cfg sctp.StackConfig) *sctp.Stack {
	t.Helper()
	cfg.ListenAddrs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	s, err := sctp.NewStack(&cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// scrape reads /metrics of a handler as Prometheus does.
func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	b, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	return string(b)
}

// tags remembers the verification tags on the wire.
type tags struct {
	mu  sync.Mutex
	all map[wire.VTag]bool
}

func (x *tags) Capture(p capture.Packet) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if pkt, err := wire.Parse(p.Data); err == nil && pkt.VTag != 0 {
		x.all[pkt.VTag] = true
	}
}

// The counters of RFC 3873 reach Prometheus, and S2: no tag is among them.
func TestStackMetrics(t *testing.T) {
	seen := &tags{all: map[wire.VTag]bool{}}
	server, client := stack(t, sctp.StackConfig{Capture: seen}), stack(t, sctp.StackConfig{})
	l, err := server.Listen(nil, nil)
	require.NoError(t, err)
	to := l.Addr().(*sctp.Addr)
	a, err := client.Dial(t.Context(), to, nil)
	require.NoError(t, err)
	b, err := l.AcceptSCTP(t.Context())
	require.NoError(t, err)
	gone, err := client.Dial(t.Context(), to, nil)
	require.NoError(t, err)
	require.NoError(t, gone.Shutdown(t.Context()))
	for range 3 {
		require.NoError(t, a.Send(t.Context(), &sctp.Message{Data: make([]byte, 5000)}))
		_, err = b.ReceiveMessage(t.Context(), nil, 1<<16)
		require.NoError(t, err)
	}
	out := scrape(t, daemon.StackHandler(server))
	st := server.Stats()
	for line, want := range map[string]any{
		`sctp_associations_established`:                      1,
		`sctp_paths{state="active"}`:                         1,
		`sctp_paths{state="inactive"}`:                       0,
		`sctp_associations_opened_total{by="peer"}`:          2,
		`sctp_associations_opened_total{by="us"}`:            0,
		`sctp_associations_ended_total{how="shutdown"}`:      1,
		`sctp_messages_total{direction="in"}`:                3,
		`sctp_messages_split_total{direction="in"}`:          3,
		`sctp_user_bytes_total{direction="in"}`:              15000,
		`sctp_chunks_total{direction="in",kind="ordered"}`:   st.Totals.DataIn,
		`sctp_chunks_total{direction="in",kind="unordered"}`: 0,
		`sctp_packets_total{direction="in"}`:                 st.PacketsIn,
		`sctp_out_of_blue_total`:                             0,
		`sctp_handshake_packets_total`:                       2,
	} {
		require.Contains(t, out, fmt.Sprintf("\n%s %v\n", line, want))
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	require.NotEmpty(t, seen.all)
	for tag := range seen.all {
		for _, s := range []string{fmt.Sprint(uint32(tag)), fmt.Sprintf("%08x", uint32(tag))} {
			require.NotContains(t, out, s)
		}
	}
	kinds := map[string]int{}
	for l := range strings.Lines(out) {
		if f := strings.Fields(l); strings.HasPrefix(l, "# TYPE sctp_") {
			kinds[f[3]]++
			require.Equal(t, f[3] == "counter", strings.HasSuffix(f[2], "_total"), l)
		}
	}
	require.Equal(t, 4, kinds["gauge"])
	require.Len(t, kinds, 2)
}
