package service_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const pool = rserpool.PoolHandle("Pool")

// Host 1 is the registrar, host 10+n element n, host 90 the user.
type world struct {
	*asaplinktest.World
	t         *testing.T
	registrar *asaplinktest.Registrar
	elements  map[rserpool.PEID]*poolelement.PoolElement
	user      *pooluser.PoolUser
	// dataOnly registers transports without control channel.
	dataOnly bool
	// cookies seals the cookies of all elements.
	cookies *cookie.Sealer
}

// inWorld runs f in a simulated network with fake time.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{World: asaplinktest.NewWorld(t), t: t, elements: make(map[rserpool.PEID]*poolelement.PoolElement)}
		w.registrar = w.Registrar(1)
		f(t, w)
	})
}

// serve starts element id. Of several the one with the smallest identifier is the
// first choice.
func (w *world) serve(id rserpool.PEID, h poolelement.Handler) *poolelement.PoolElement {
	w.t.Helper()
	pe, err := poolelement.Listen(w.t.Context(), pool, &poolelement.Config{
		Registrars: []string{w.registrar.Address()}, Stack: w.Stack(10 + int(id)),
		Profile: core.ProfileFast, PEID: id, DataOnly: w.dataOnly, Cookies: w.cookies,
		Policy: rserpool.Policy{Type: rserpool.Priority, Priority: 100 - uint32(id)},
	})
	require.NoError(w.t, err)
	w.elements[id] = pe
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = (&poolelement.Server{Handler: h, Grace: -1}).Serve(ctx, pe) // sessions may be cut off
	}()
	w.t.Cleanup(func() {
		cancel()
		_ = pe.Close()
		<-done
	})
	return pe
}

// cut takes an element's host off the network.
func (w *world) cut(id rserpool.PEID) { w.Cut(10 + int(id)) }

// dial opens a session with the pool.
func (w *world) dial() *pooluser.Session {
	w.t.Helper()
	if w.user == nil {
		pu, err := pooluser.New(&pooluser.Config{
			Registrars: []string{w.registrar.Address()}, Stack: w.Stack(90), Profile: core.ProfileFast,
			FailoverOnShutdown: true, FailoverTimeout: 20 * time.Second,
			SCTP: &sctp.Config{RecvBuffer: 256 << 10},
		})
		require.NoError(w.t, err)
		w.t.Cleanup(func() { require.NoError(w.t, pu.Close()) })
		w.user = pu
	}
	s, err := w.user.Dial(w.t.Context(), pool)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// raw opens a bare association with an element.
func (w *world) raw(pe *poolelement.PoolElement) *sctp.Association {
	w.t.Helper()
	a, err := w.Stack(91).Dial(w.t.Context(), pe.Addr().(*sctp.Addr), nil)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = a.Close() })
	return a
}

// echo sends a cookie that another element has given.
func (w *world) echo(a *sctp.Association, cookie []byte) {
	w.t.Helper()
	m := &asap.CookieEcho{Cookie: cookie}
	require.NoError(w.t, a.Send(w.t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: m.AppendTo(nil)}))
}

func send(t *testing.T, s *pooluser.Session, ppid sctp.PPID, data []byte) {
	t.Helper()
	require.NoError(t, s.Send(t.Context(), &sctp.Message{PPID: ppid, Data: data}))
}

// write makes a file that was last changed long ago.
func write(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
	old := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, os.Chtimes(path, old, old))
}
