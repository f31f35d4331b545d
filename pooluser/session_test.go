package pooluser_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Close ends a fail-over and everything that waits for it.
func TestCloseDuringFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{}))
		s.OnFailover(func(ctx context.Context, _ []byte) error { return nil })
		w.Cut(1 + firstHost)
		errs := make(chan error, 3)
		go func() { _, err := s.Receive(t.Context(), make([]byte, 10)); errs <- err }()
		go func() { _, err := s.Read(make([]byte, 10)); errs <- err }()
		time.Sleep(5 * time.Second)
		go func() { errs <- s.Failover(t.Context()) }()
		synctest.Wait()
		require.NoError(t, s.Close())
		for range 3 {
			require.ErrorIs(t, <-errs, net.ErrClosed)
		}
		require.ErrorIs(t, s.Failover(t.Context()), net.ErrClosed)
		require.NoError(t, s.Close())
	})
}

// Z16: a cookie beyond the limit is ignored, the last acceptable one kept.
func TestZ16CookieTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{MaxCookie: 100}))
		require.NoError(t, ask(t.Context(), s, "one"))
		before := s.Cookie()
		require.NoError(t, ask(t.Context(), s, "cookie "+strings.Repeat("x", 500)))
		require.Equal(t, before, s.Cookie())
		require.NoError(t, ask(t.Context(), s, "cookie small"))
		require.Equal(t, "small", string(s.Cookie()))
	})
}

// An element with two addresses registers both, and can be reached when the first one
// cannot.
func TestMultihomedElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		const a, b = 41, 42
		pe, err := poolelement.Listen(t.Context(), pool, &poolelement.Config{
			Registrars: []string{w.registrar.Address()}, Stack: w.Stack(a, b), Profile: core.ProfileFast, PEID: 7,
		})
		require.NoError(t, err)
		srv := &server{pe: pe}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = (&poolelement.Server{Handler: srv, Grace: -1}).Serve(context.Background(), pe)
		}()
		t.Cleanup(func() { _ = pe.Close(); <-done })
		pu := w.user(pooluser.Config{})
		es, err := pu.Resolve(t.Context(), pool)
		require.NoError(t, err)
		require.Equal(t, []netip.Addr{asaplinktest.IP(a), asaplinktest.IP(b)}, es[0].User.Addrs)

		w.Net.SetDown(asaplinktest.IP(a), asaplinktest.IP(userHost), true)
		s := w.dial(pu)
		require.NoError(t, ask(t.Context(), s, "one"))
		time.Sleep(10 * time.Second)
		require.NoError(t, ask(t.Context(), s, "two"))
		require.Zero(t, s.Failovers())
	})
}

// A cookie of an earlier run is handed over with Failover.
func TestSetCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.dial(w.user(pooluser.Config{}))
		s.SetCookie([]byte("saved"))
		require.NoError(t, s.Failover(t.Context()))
		require.NoError(t, ask(t.Context(), s, "one"))
		require.Equal(t, []string{"saved"}, w.server(s.Element().ID).cookies())
	})
}

// RFC 5352 §3.9 BC2: an element recommends an order for fail-over.
func TestBusinessCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		s := w.dial(w.user(pooluser.Config{}))
		require.NoError(t, ask(t.Context(), s, "card 5"))
		if s.Element().ID == 5 {
			require.NoError(t, ask(t.Context(), s, "card 4"))
		}
		want := rserpool.PEID(5)
		if s.Element().ID == 5 {
			want = 4
		}
		require.NoError(t, s.Failover(t.Context()))
		require.Equal(t, want, s.Element().ID)
	})
}

// RFC 5352 §5: data must not use ASAP's payload protocol identifier.
func TestControlPPIDRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.dial(w.user(pooluser.Config{}))
		require.Error(t, s.Send(t.Context(), &sctp.Message{PPID: 11, Data: []byte("x")}))
		require.NoError(t, ask(t.Context(), s, "one"))
		require.Equal(t, pool, s.Handle())
		require.Contains(t, s.RemoteAddr().String(), asaplinktest.IP(firstHost+1).String())
		require.NotEmpty(t, s.LocalAddr().String())
	})
}

// A pool user that closes takes its sessions along.
func TestUserCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		pu := w.user(pooluser.Config{})
		s := w.dial(pu)
		require.NoError(t, pu.Close())
		require.NoError(t, pu.Close())
		_, err := s.Receive(t.Context(), make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = pu.Dial(t.Context(), pool)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = pu.Resolve(t.Context(), pool)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
