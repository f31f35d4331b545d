package daemon_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

func TestMetricsOfARegistrar(t *testing.T) {
	r, err := registrar.New(&registrar.Config{ID: 1, Listen: "127.0.0.1@0", Profile: core.ProfileFast})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go func() { _ = r.Run(ctx) }()
	defer r.Close()
	<-r.Ready()
	addr, _ := r.Addrs()
	s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: addr.IPs})
	require.NoError(t, err)
	defer s.Close()
	a, err := s.Dial(ctx, addr, nil)
	require.NoError(t, err)
	// A pool handle may hold anything; a label must be valid UTF-8.
	reg := &asap.Registration{Handle: "<b>\xff", Element: rserpool.PoolElement{ID: 7, Life: 60, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		User: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7, Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}}
	require.NoError(t, a.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: reg.AppendTo(nil)}))
	_, err = a.ReceiveMessage(ctx, nil, 1<<16)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h := daemon.Handler(r)
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	b, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	for _, line := range []string{"rserpool_registrations_total 1", `rserpool_pool_elements{pool="<b>\\xff"} 1`,
		`rserpool_registrar_info{id="0x00000001"} 1`, "rserpool_owned_elements 1", "go_goroutines"} {
		require.Contains(t, string(b), line)
	}
	for path, code := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 200, "/debug/pprof/": 200, "/none": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, code, w.Code, path)
	}
}
