package sctp_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// enter makes an association by hand and returns the tag that the server wants and
// its end of it. The attacker's first TSN is that of init, 100.
func (w *world) enter(a *attacker) (wire.VTag, *sctp.Association) {
	w.t.Helper()
	a.port++
	tag, cookie := a.cookie()
	a.send(tag, cookie)
	s, err := w.listener.AcceptSCTP(w.t.Context())
	require.NoError(w.t, err)
	p, ok := a.next()
	require.True(w.t, ok)
	require.Equal(w.t, wire.TypeCookieAck, p.First().Type())
	return tag, s
}

// violated checks that the one answer was an ABORT for a protocol violation, and
// that nothing of the association is left.
func (w *world) violated(a *attacker, s *sctp.Association) {
	w.t.Helper()
	time.Sleep(time.Second)
	var aborts int
	for len(a.in) > 0 {
		p := <-a.in
		if p.First().Type() == wire.TypeSack {
			continue // for what came before the violation
		}
		var abort wire.Abort
		require.NoError(w.t, abort.Decode(p.First()))
		for c := range wire.Causes(abort.Causes) {
			require.Equal(w.t, wire.CauseProtocolViolation, c.Code)
		}
		aborts++
	}
	require.Equal(w.t, 1, aborts)
	_, err := s.ReceiveMessage(w.t.Context(), nil, 1000)
	require.Error(w.t, err, "no part of a mixed message")
	require.Zero(w.t, w.server.Stats().Associations)
}

func fragment(tsn wire.TSN, begin, end bool, s string) *wire.Data {
	return &wire.Data{TSN: tsn, Begin: begin, End: end, Payload: []byte(s)}
}

// D8: a fragment behind the last one, and two last fragments, cannot come from a
// peer that works (RFC 9260 §6.9), in whichever order they arrive.
func TestD8FragmentBehindTheLast(t *testing.T) {
	for name, chunks := range map[string][]*wire.Data{
		"two last":            {fragment(100, true, false, "a"), fragment(101, false, true, "b"), fragment(102, false, true, "c")},
		"two last, backwards": {fragment(102, false, true, "c"), fragment(101, false, true, "b"), fragment(100, true, false, "a")},
		"middle behind last":  {fragment(100, true, false, "a"), fragment(101, false, true, "b"), fragment(102, false, false, "c")},
		"middle first":        {fragment(102, false, false, "c"), fragment(100, true, false, "a"), fragment(101, false, true, "b")},
		"last behind whole":   {fragment(100, true, true, "a"), fragment(101, false, true, "b")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOption{})
				a := w.attacker()
				tag, s := w.enter(a)
				for _, d := range chunks {
					a.send(tag, d)
				}
				time.Sleep(time.Second)
				for {
					// A message that was whole before the violation may be read.
					m, err := s.Receive(t.Context(), make([]byte, 100))
					if err != nil {
						break
					}
					require.Contains(t, []string{"a", "ab"}, string(m.Data))
				}
				w.violated(a, s)
			})
		})
	}
}

// E1: the Cumulative TSN Ack of a SHUTDOWN is checked as that of a SACK is: what was
// never sent cannot be acknowledged (RFC 5062 §5.3), an old one does no harm.
func TestE1ShutdownWithBogusTSN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		a := w.attacker()
		tag, s := w.enter(a)
		require.NoError(t, s.Send(t.Context(), text("answer")))
		p, ok := a.next()
		require.True(t, ok)
		var d wire.Data
		require.NoError(t, d.Decode(p.First()))
		a.send(tag, &wire.Shutdown{CumTSN: d.TSN + 1})
		w.violated(a, s)

		tag, s = w.enter(a)
		require.NoError(t, s.Send(t.Context(), text("answer")))
		p, ok = a.next()
		require.True(t, ok)
		require.NoError(t, d.Decode(p.First()))
		a.send(tag, &wire.Shutdown{CumTSN: d.TSN - 1000})
		a.send(tag, &wire.Shutdown{CumTSN: d.TSN})
		answered := false
		for !answered {
			p, ok = a.next()
			require.True(t, ok, "no SHUTDOWN ACK")
			require.NotEqual(t, wire.TypeAbort, p.First().Type())
			answered = p.First().Type() == wire.TypeShutdownAck
		}
		a.send(tag, &wire.ShutdownComplete{})
		time.Sleep(time.Second)
		require.Zero(t, w.server.Stats().Associations)
	})
}
