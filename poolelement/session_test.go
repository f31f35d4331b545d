package poolelement_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// session runs f with both ends of a session: the bare association of the user, and
// the element's Session.
func session(t *testing.T, cfg poolelement.Config, f func(t *testing.T, user *sctp.Association, s *poolelement.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := asaplinktest.NewWorld(t)
		pe := listen(w, 2, cfg, w.Registrar(1))
		user := dial(w, 3, pe)
		t.Cleanup(func() { _ = user.Close() })
		s, err := pe.AcceptSession(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		f(t, user, s)
	})
}

func control(t *testing.T, a *sctp.Association, m asap.Message) {
	t.Helper()
	require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: m.AppendTo(nil)}))
}

func data(t *testing.T, a *sctp.Association, s string) {
	t.Helper()
	require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: 99, Data: []byte(s)}))
}

// RFC 5352 §3.8: the cookie echo is the first message and never shows up as data.
func TestCookieEcho(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		big := bytes.Repeat([]byte("state"), 10_000)
		control(t, user, &asap.CookieEcho{Cookie: big})
		data(t, user, "hello")
		c, err := s.Cookie(t.Context())
		require.NoError(t, err)
		require.Equal(t, big, c)
		buf := make([]byte, 100)
		m, err := s.Receive(t.Context(), buf)
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
		require.EqualValues(t, 99, m.PPID)
	})
}

// Without an echo Cookie is nil and the data that it waited for is not lost, however
// small the pieces in which it is read.
func TestCookieNone(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		data(t, user, "hello")
		data(t, user, "again")
		for range 2 {
			c, err := s.Cookie(t.Context())
			require.NoError(t, err)
			require.Nil(t, c)
		}
		var pieces []string
		for range 5 {
			m, err := s.Receive(t.Context(), make([]byte, 2))
			require.NoError(t, err)
			piece := string(m.Data)
			if m.Partial {
				piece += "…"
			}
			pieces = append(pieces, piece)
		}
		require.Equal(t, []string{"he…", "ll…", "o", "ag…", "ai…"}, pieces)
	})
}

// A cookie echo that is read as data is handled on the way.
func TestCookieEchoDuringReceive(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		control(t, user, &asap.CookieEcho{Cookie: []byte("state")})
		data(t, user, "hello")
		m, err := s.Receive(t.Context(), make([]byte, 3)) // the echo comes in many pieces
		require.NoError(t, err)
		require.Equal(t, "hel", string(m.Data))
		c, err := s.Cookie(t.Context())
		require.NoError(t, err)
		require.Equal(t, "state", string(c))
	})
}

// RFC 5352 §3.8: an echo that is not the first message breaks the protocol.
func TestCookieEchoLate(t *testing.T) {
	for _, first := range []asap.Message{nil, &asap.CookieEcho{Cookie: []byte("first")}} {
		session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
			if first == nil {
				data(t, user, "hello")
				_, err := s.Receive(t.Context(), make([]byte, 10))
				require.NoError(t, err)
			} else {
				control(t, user, first)
			}
			control(t, user, &asap.CookieEcho{Cookie: []byte("late")})
			_, err := s.Receive(t.Context(), make([]byte, 10))
			require.ErrorContains(t, err, "first")
			_, err = user.Receive(t.Context(), make([]byte, 10))
			require.ErrorIs(t, err, sctp.ErrReset)
		})
	}
}

// Control messages that mean nothing to an element are ignored, garbage and unknown
// ones are reported as their type says (RFC 5352 §2.2.14).
func TestControlChannelHostile(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		for _, b := range [][]byte{{0}, {0x7f, 0, 0, 4}, {0x0c, 0, 0, 3}, bytes.Repeat([]byte{0xff}, 300)} {
			require.NoError(t, user.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: b}))
		}
		control(t, user, &asap.Cookie{Cookie: []byte("users send none")})
		control(t, user, &asap.EndpointKeepAlive{Home: true, Server: 66, Handle: pool})
		control(t, user, &asap.Error{Causes: []rserpool.Cause{{Code: 1}}})
		data(t, user, "hello")
		m, err := s.Receive(t.Context(), make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
		// Z5: a user cannot become the home registrar.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for {
			r, err := user.ReceiveMessage(ctx, nil, 1<<16)
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			got, err := asap.Decode(r.Data)
			require.NoError(t, err)
			require.Equal(t, asap.TypeError, got.Type())
		}
	})
}

// Z16: a control message beyond the longest that there can be ends the session, and
// is not collected.
func TestZ16ControlMessageTooLong(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		require.NoError(t, user.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: make([]byte, 200_000)}))
		_, err := s.Receive(t.Context(), make([]byte, 1000))
		require.ErrorContains(t, err, "too long")
	})
}

// RFC 5352 §3.8: SendCookie reaches the user as an ASAP_COOKIE.
func TestSendCookie(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		require.NoError(t, s.SendCookie(t.Context(), []byte("state")))
		m, err := user.ReceiveMessage(t.Context(), nil, 1<<16)
		require.NoError(t, err)
		require.EqualValues(t, asap.PPID, m.PPID)
		got, err := asap.Decode(m.Data)
		require.NoError(t, err)
		require.Equal(t, []byte("state"), got.(*asap.Cookie).Cookie)
		require.Error(t, s.SendCookie(t.Context(), make([]byte, 70_000)))
		// RFC 5352 §5: data must not use ASAP's identifier.
		require.Error(t, s.Send(t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: []byte("x")}))
	})
}

// RFC 5354 §3.4: a data-only transport has no control channel.
func TestDataOnly(t *testing.T) {
	session(t, poolelement.Config{DataOnly: true}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		require.Error(t, s.SendCookie(t.Context(), []byte("x")))
		control(t, user, &asap.CookieEcho{Cookie: []byte("x")})
		data(t, user, "hello")
		c, err := s.Cookie(t.Context())
		require.NoError(t, err)
		require.Nil(t, c)
		m, err := s.Receive(t.Context(), make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
	})
}

// A Session is a net.Conn.
func TestSessionConn(t *testing.T) {
	session(t, poolelement.Config{SCTP: &sctp.Config{PPID: 42}}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		var conn net.Conn = s
		big := bytes.Repeat([]byte("0123456789"), 20_000)
		go func() {
			n, err := conn.Write(big)
			require.NoError(t, err)
			require.Len(t, big, n)
		}()
		var got []byte
		for len(got) < len(big) {
			m, err := user.Receive(t.Context(), make([]byte, 50_000))
			require.NoError(t, err)
			require.EqualValues(t, 42, m.PPID)
			got = append(got, m.Data...)
		}
		require.Equal(t, big, got)

		data(t, user, "abc")
		data(t, user, "def")
		buf := make([]byte, 6)
		_, err := io.ReadFull(conn, buf)
		require.NoError(t, err)
		require.Equal(t, "abcdef", string(buf))

		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		start := time.Now()
		_, err = conn.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		// Moved into the past while a read waits; then taken away.
		require.NoError(t, conn.SetDeadline(time.Time{}))
		go func() {
			time.Sleep(time.Second)
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		}()
		_, err = conn.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		data(t, user, "x")
		time.Sleep(time.Second)
		_, err = conn.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "also with data there")
		require.NoError(t, conn.SetReadDeadline(time.Time{}))
		_, err = conn.Read(buf)
		require.NoError(t, err)
		require.NoError(t, conn.SetWriteDeadline(time.Unix(1, 0)))
		_, err = conn.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		go user.Close()
		_, err = conn.Read(buf)
		require.ErrorIs(t, err, io.EOF)
		require.NotEmpty(t, conn.LocalAddr().String())
		require.NotEmpty(t, conn.RemoteAddr().String())
		require.NoError(t, conn.Close())
		_, err = conn.Read(buf)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// A blocked Read ends with Close.
func TestSessionCloseUnblocks(t *testing.T) {
	session(t, poolelement.Config{}, func(t *testing.T, _ *sctp.Association, s *poolelement.Session) {
		errs := make(chan error, 2)
		go func() { _, err := s.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := s.Cookie(t.Context()); errs <- err }()
		time.Sleep(time.Second)
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-errs, net.ErrClosed)
		require.ErrorIs(t, <-errs, net.ErrClosed)
		require.NoError(t, s.Close())
	})
}

func cookieSealer(t *testing.T, h rserpool.PoolHandle) *cookie.Sealer {
	t.Helper()
	key, err := cookie.NewKey(bytes.Repeat([]byte("key!"), 8))
	require.NoError(t, err)
	s, err := cookie.NewSealer(&cookie.Config{Pool: h, Keys: []cookie.Key{key}})
	require.NoError(t, err)
	return s
}

// RFC 5352 §3.8: "a cookie should be signed by the sending PE […] and verified by the
// receiving PE".
func TestSealedCookies(t *testing.T) {
	sealer := cookieSealer(t, pool)
	session(t, poolelement.Config{Cookies: sealer}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		sealed, err := sealer.Seal([]byte("from another element"))
		require.NoError(t, err)
		control(t, user, &asap.CookieEcho{Cookie: sealed})
		state, err := s.Cookie(t.Context())
		require.NoError(t, err)
		require.Equal(t, "from another element", string(state))

		require.NoError(t, s.SendCookie(t.Context(), []byte("for the next one")))
		m, err := user.ReceiveMessage(t.Context(), nil, 1000)
		require.NoError(t, err)
		msg, err := asap.Decode(m.Data)
		require.NoError(t, err)
		c := msg.(*asap.Cookie).Cookie
		require.NotContains(t, string(c), "next")
		state, err = sealer.Open(c)
		require.NoError(t, err)
		require.Equal(t, "for the next one", string(state))
		require.Error(t, s.SendCookie(t.Context(), make([]byte, cookie.DefaultMaxState+1)))
	})
}

// Z16: a cookie that the user has made up does not reach the service, and the session
// is the service's to end.
func TestZ16ForgedCookieIsRefused(t *testing.T) {
	session(t, poolelement.Config{Cookies: cookieSealer(t, pool)}, func(t *testing.T, user *sctp.Association, s *poolelement.Session) {
		control(t, user, &asap.CookieEcho{Cookie: []byte("I am the administrator")})
		data(t, user, "hello")
		state, err := s.Cookie(t.Context())
		require.ErrorIs(t, err, cookie.ErrInvalid)
		require.Nil(t, state)
		m, err := s.Receive(t.Context(), make([]byte, 10))
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
	})
}
