package poolelement_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// others is what an element recommends.
func others(ids ...rserpool.PEID) []rserpool.PoolElement {
	var es []rserpool.PoolElement
	for _, id := range ids {
		es = append(es, rserpool.PoolElement{
			ID: id, User: asaplinktest.Transport(int(id), 7777), Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		})
	}
	return es
}

func ids(es []rserpool.PoolElement) []rserpool.PEID {
	var out []rserpool.PEID
	for _, e := range es {
		out = append(out, e.ID)
	}
	return out
}

// RFC 5352 §3.9: a session begins with a business card, if so configured, and a new one
// may follow at any time.
func TestBusinessCardIsSent(t *testing.T) {
	cfg := poolelement.Config{BusinessCard: func(s *poolelement.Session) []rserpool.PoolElement {
		if s.RemoteAddr() == nil {
			return nil
		}
		return others(8, 9)
	}}
	session(t, cfg, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		card := func() *asap.BusinessCard {
			m, err := user.ReceiveMessage(t.Context(), nil, 1000)
			require.NoError(t, err)
			require.EqualValues(t, asap.PPID, m.PPID)
			msg, err := asap.Decode(m.Data)
			require.NoError(t, err)
			return msg.(*asap.BusinessCard)
		}
		c := card()
		require.Equal(t, pool, c.Handle)
		require.Equal(t, []rserpool.PEID{8, 9}, ids(c.Elements))
		require.NoError(t, s.SendBusinessCard(t.Context(), others(9)))
		require.Equal(t, []rserpool.PEID{9}, ids(card().Elements))
	})
}

// RFC 5352 §3.9: "MUST ONLY be sent if a control channel exists"; nor without need.
func TestBusinessCardIsNotSent(t *testing.T) {
	order := func(*poolelement.Session) []rserpool.PoolElement { return others(8) }
	none := func(*poolelement.Session) []rserpool.PoolElement { return nil }
	for name, cfg := range map[string]poolelement.Config{
		"default": {}, "nobody to recommend": {BusinessCard: none}, "data only": {BusinessCard: order, DataOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			session(t, cfg, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
				require.NoError(t, s.Send(t.Context(), &sctp.Message{Data: []byte("first")}))
				m, err := user.ReceiveMessage(t.Context(), nil, 100)
				require.NoError(t, err)
				require.Equal(t, "first", string(m.Data))
			})
		})
	}
}

// RFC 5352 §3.9: by its card the element learns the pool of a user that is one itself.
func TestBusinessCardOfUser(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		_, _, ok := s.BusinessCard()
		require.False(t, ok)
		control(t, user, &asap.CookieEcho{Cookie: []byte("state")})
		control(t, user, &asap.BusinessCard{Handle: "Users", Elements: others(3, 4)})
		data(t, user, "hello")
		_, err := s.Receive(t.Context(), make([]byte, 100))
		require.NoError(t, err)
		h, order, ok := s.BusinessCard()
		require.True(t, ok)
		require.EqualValues(t, "Users", h)
		require.Equal(t, []rserpool.PEID{3, 4}, ids(order))
		c, err := s.Cookie(t.Context())
		require.NoError(t, err)
		require.Equal(t, "state", string(c))
	})
}

// An order that does not fit into a message costs the card, not the session.
func TestBusinessCardTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		many := make([]rserpool.PoolElement, 2000)
		for i := range many {
			many[i] = others(7)[0]
		}
		pe := listen(w, 2, poolelement.Config{BusinessCard: func(*poolelement.Session) []rserpool.PoolElement { return many }}, w.Registrar(1))
		user := dial(w, 3, pe)
		defer user.Close()
		s, err := pe.AcceptSession(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Send(t.Context(), &sctp.Message{Data: []byte("first")}))
		m, err := user.ReceiveMessage(t.Context(), nil, 100)
		require.NoError(t, err)
		require.Equal(t, "first", string(m.Data))
	})
}
