package service_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

func newService(t *testing.T, name string, o service.Options) poolelement.Handler {
	t.Helper()
	h, err := service.New(name, o)
	require.NoError(t, err)
	return h
}

// unhex reads hex digits with spaces among them.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// message receives a whole message.
func message(t *testing.T, s *pooluser.Session) (sctp.Message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var data []byte
	buf := make([]byte, 64<<10)
	for {
		m, err := s.Receive(ctx, buf)
		if err != nil {
			return m, err
		}
		if data = append(data, m.Data...); !m.Partial {
			m.Data = data
			return m, nil
		}
	}
}

func TestEveryServiceHasAName(t *testing.T) {
	for _, name := range service.Names() {
		h, err := service.New(name, service.Options{Root: t.TempDir()})
		require.NoError(t, err, name)
		require.NotNil(t, h, name)
	}
	_, err := service.New("telnet", service.Options{})
	require.ErrorContains(t, err, "echo")
	_, err = service.New("files", service.Options{Root: t.TempDir() + "/missing"})
	require.Error(t, err)
}

// rsplib's echo service keeps stream and payload protocol identifier.
func TestEchoSendsBackAsItCame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, newService(t, "echo", service.Options{}))
		s := w.dial()
		for _, m := range []sctp.Message{
			{PPID: 0, Data: []byte("hello\n")},
			{PPID: 4711, Stream: 3, Data: []byte{0}},
			{PPID: 7, Stream: 1, Unordered: true, Data: bytes.Repeat([]byte("long "), 40_000)},
		} {
			require.NoError(t, s.Send(t.Context(), &m))
			got, err := message(t, s)
			require.NoError(t, err)
			require.Equal(t, m, got)
		}
	})
}

// A user can make an element hold no more than a bounded message.
func TestEchoRefusesEndlessMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, newService(t, "echo", service.Options{}))
		s := w.dial()
		// The session may end while the message is on its way.
		_ = s.Send(t.Context(), &sctp.Message{Data: make([]byte, 4<<20)})
		_, err := message(t, s)
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
	})
}

func TestDiscardAnswersNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, newService(t, "discard", service.Options{}))
		s := w.dial()
		for range 100 {
			send(t, s, 0, make([]byte, 50_000))
		}
		_, err := message(t, s)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, s.Association().Shutdown(t.Context()), "all of it arrived")
	})
}

// The format is that of rsplib's daytime service, which ends the session after it.
func TestDaytimeSaysTheTimeAndCloses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, newService(t, "daytime", service.Options{}))
		s := w.dial()
		m, err := message(t, s)
		require.NoError(t, err)
		require.Regexp(t, `^[A-Z][a-z]+day, \d\d-[A-Z][a-z]+-\d{4} \d\d:\d\d:\d\d\.\d{6}\n$`, string(m.Data))
		at, err := time.ParseInLocation("Monday, 02-January-2006 15:04:05.000000\n", string(m.Data), time.Local)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Second)
		_, err = message(t, s)
		require.ErrorIs(t, err, io.EOF)
	})
}

// rsplib's chargen sends 1,024 bytes a message, which count from 30 to 127.
func TestChargenSendsUntilTheUserGoes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pe := w.serve(1, newService(t, "chargen", service.Options{}))
		s := w.dial()
		for range 3000 {
			m, err := message(t, s)
			require.NoError(t, err)
			require.Len(t, m.Data, 1024)
			require.Equal(t, []byte{30, 31, 127, 30, 31}, []byte{m.Data[0], m.Data[1], m.Data[97], m.Data[98], m.Data[99]})
		}
		_ = s.Close() // there is more to come
		require.Eventually(t, func() bool { return pe.Sessions() == 0 }, 10*time.Second, 10*time.Millisecond)
	})
}

// Bytes recorded between rsplib 3.4.4's pingpongclient and rspserver.
func TestPingPongBytes(t *testing.T) {
	const (
		data   = "4e61636872696368743a20312c205a6569747374656d70656c3a2031373935333136393737393238363130"
		ping   = "01000037 0000000000000001" + data
		pong   = "0200003f 0000000000000001 0000000000000001" + data
		cookie = "3c50502d5444313e 0000000000000002"
	)
	p, err := service.DecodePing(unhex(t, ping))
	require.NoError(t, err)
	require.Equal(t, uint64(1), p.MessageNo)
	require.Equal(t, unhex(t, ping), p.AppendTo(nil))
	q := service.Pong{MessageNo: p.MessageNo, ReplyNo: 1, Data: p.Data}
	require.Equal(t, unhex(t, pong), q.AppendTo(nil))
	back, err := service.DecodePong(unhex(t, pong))
	require.NoError(t, err)
	require.Equal(t, q, back)

	inWorld(t, func(t *testing.T, w *world) {
		w.serve(1, newService(t, "pingpong", service.Options{}))
		s := w.dial()
		send(t, s, service.PPIDPingPong, unhex(t, ping))
		m, err := message(t, s)
		require.NoError(t, err)
		require.Equal(t, unhex(t, pong), m.Data)
		require.Equal(t, service.PPIDPingPong, m.PPID)
		require.EqualValues(t, 0, m.Stream)
		// The cookie comes behind the Pong: reading on takes it in.
		_, err = message(t, s)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, unhex(t, cookie), s.Cookie())
	})
}

// The reply numbers go on with the next element: the cookie carries them.
func TestPingPongContinuesElsewhere(t *testing.T) { testPingPong(t, nil) }

// RFC 5352 §3.8: also if the cookies are sealed.
func TestPingPongContinuesWithSealedCookies(t *testing.T) {
	key, err := cookie.NewKey(make([]byte, 32))
	require.NoError(t, err)
	sealer, err := cookie.NewSealer(&cookie.Config{Pool: pool, Keys: []cookie.Key{key}})
	require.NoError(t, err)
	testPingPong(t, sealer)
	// Z16: what anybody could write, which without a seal is a cookie like any other.
	inWorld(t, func(t *testing.T, w *world) {
		w.cookies = sealer
		a := w.raw(w.serve(1, newService(t, "pingpong", service.Options{})))
		w.echo(a, []byte("<PP-TD1>12345678"))
		_, err := a.Receive(t.Context(), make([]byte, 100))
		var abort *sctp.AbortError
		require.ErrorAs(t, err, &abort)
	})
}

func testPingPong(t *testing.T, sealer *cookie.Sealer) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		w.cookies = sealer
		for id := range 3 {
			w.serve(rserpool.PEID(id+1), newService(t, "pingpong", service.Options{FailAfter: 4}))
		}
		s := w.dial()
		s.OnFailover(func(context.Context, []byte) error { return nil })
		for no := uint64(1); no <= 10; {
			before := s.Failovers()
			send(t, s, service.PPIDPingPong, (&service.Ping{MessageNo: no, Data: []byte("x")}).AppendTo(nil))
			m, err := message(t, s)
			if err != nil && s.Failovers() > before {
				continue // this Ping met the end of an element
			}
			require.NoError(t, err)
			p, err := service.DecodePong(m.Data)
			require.NoError(t, err)
			require.Equal(t, service.Pong{MessageNo: no, ReplyNo: no, Data: []byte("x")}, p)
			no++
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err = s.Receive(ctx, make([]byte, 1)) // the cookie
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.GreaterOrEqual(t, s.Failovers(), 2)
	})
}

// rsplib aborts the session on anything that is no Ping; bytes behind it do no harm.
func TestPingPongHostile(t *testing.T) {
	good := (&service.Ping{MessageNo: 5, Data: []byte("data")}).AppendTo(nil)
	p, err := service.DecodePing(append(good, "behind"...))
	require.NoError(t, err)
	require.Equal(t, "data", string(p.Data))
	bad := map[string][]byte{
		"empty":            {1},
		"no number":        good[:11],
		"cut":              good[:len(good)-1],
		"length of header": unhex(t, "01000004 0000000000000001"),
		"length 0":         unhex(t, "01000000 0000000000000001"),
		"length 11":        unhex(t, "0100000b 0000000000000001"),
		"beyond the end":   unhex(t, "0100ffff 0000000000000001 00"),
		"pong":             (&service.Pong{MessageNo: 1}).AppendTo(nil),
		"other type":       unhex(t, "0300000c 0000000000000001"),
		"no room for pong": (&service.Ping{Data: make([]byte, service.MaxPing+1)}).AppendTo(nil),
	}
	for name, b := range bad {
		_, err := service.DecodePing(b)
		require.Error(t, err, name)
		inWorld(t, func(t *testing.T, w *world) {
			w.serve(1, newService(t, "pingpong", service.Options{}))
			s := w.dial()
			send(t, s, service.PPIDPingPong, b)
			_, err := message(t, s)
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, name)
		})
	}
}

// A cookie that is none of PingPong's aborts the session, as with rsplib.
func TestPingPongRefusesForeignCookies(t *testing.T) {
	for _, c := range []string{"<PP-TD1>", "<PP-TD1>1234567", "<PP-TD1>123456789", "<FG-TD1>12345678"} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.raw(w.serve(1, newService(t, "pingpong", service.Options{})))
			w.echo(a, []byte(c))
			_, err := a.Receive(t.Context(), make([]byte, 100))
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, c)
		})
	}
}
