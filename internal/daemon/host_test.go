package daemon_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/daemon"
)

// DNS rebinding: a page of somebody else does not read the status of a registrar on
// loopback under a name of its own.
func TestHostHeaderOnLoopback(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	at, wait, err := daemon.Serve(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	require.NoError(t, err)
	defer func() { cancel(); require.NoError(t, wait()) }()
	for host, code := range map[string]int{
		at.String(): 200, "localhost": 200, "LOCALHOST:9980": 200, "[::1]:9980": 200, "::1": 200, "192.0.2.1": 200, "a.localhost": 200,
		"evil.example": 421, "evil.example:9980": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "": 200,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String(), nil)
		require.NoError(t, err)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, code, resp.StatusCode, "Host: %q", host)
	}
}
