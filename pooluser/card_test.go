package pooluser_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5352 §3.9 BC1: a card makes the user resolve the pool if it does not know it any
// more; otherwise not.
func TestBusinessCardResolvesUnknownPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		pu := w.user(pooluser.Config{})
		s := w.dial(pu)
		require.NoError(t, ask(t.Context(), s, "card 3"))
		time.Sleep(time.Second)
		require.Equal(t, 1, w.registrar.Count(asap.TypeHandleResolution))
		pu.Forget(pool)
		require.NoError(t, ask(t.Context(), s, "card 2"))
		time.Sleep(time.Second)
		require.Equal(t, 2, w.registrar.Count(asap.TypeHandleResolution))
	})
}

// RFC 5352 §3.9: "A PU should send an ASAP_BUSINESS_CARD message to a PE only if it is
// part of a PU/PE combination": each element that the session comes to learns it, after
// the cookie, which has to be first (§3.8).
func TestBusinessCardOfUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		card := &pooluser.BusinessCard{Handle: "Users", Elements: []pooluser.Element{element(7), element(8)}}
		s := w.dial(w.user(pooluser.Config{BusinessCard: card}))
		for _, question := range []string{"one", "two"} {
			require.NoError(t, ask(t.Context(), s, question))
			srv := w.server(s.Element().ID)
			srv.mu.Lock()
			require.Equal(t, []string{"Users 7 8"}, srv.cards)
			srv.mu.Unlock()
			if question == "two" {
				require.Equal(t, []string{"0x00000001:1"}, srv.cookies())
				break
			}
			w.cut(s.Element().ID)
		}
	})
}

func TestBusinessCardBadConfig(t *testing.T) {
	for _, card := range []*pooluser.BusinessCard{
		{}, {Handle: "Users", Elements: []pooluser.Element{{ID: 1}}}, {Handle: rserpool.PoolHandle(make([]byte, rserpool.MaxPoolHandle+1))},
	} {
		_, err := pooluser.New(&pooluser.Config{Registrars: []string{"127.0.0.1:3863"}, BusinessCard: card})
		require.ErrorContains(t, err, "Config.BusinessCard")
	}
}
