package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// What ends an association, in every state (RFC 9260 §9). In SHUTDOWN-PENDING and
// SHUTDOWN-RECEIVED one message of this end is not acknowledged yet.

// ending is what an input leads to.
type ending struct {
	state State
	sent  string // chunks
}

func TestEndingsInEveryState(t *testing.T) {
	closed := ending{Closed, ""}
	all := func(e ending) map[State]ending {
		m := map[State]ending{}
		for s := CookieWait; s <= ShutdownAckSent; s++ {
			m[s] = e
		}
		return m
	}
	with := func(m map[State]ending, s State, e ending) map[State]ending { m[s] = e; return m }
	same := func() map[State]ending {
		m := map[State]ending{}
		for s := CookieWait; s <= ShutdownAckSent; s++ {
			m[s] = ending{s, ""}
		}
		return m
	}
	chunk := func(c func(a *Association) tableChunk) func(*Association) {
		return func(a *Association) { a.HandlePacket(tableNow, tableIn, tablePacket(a.LocalTag(), c(a))) }
	}
	for name, c := range map[string]struct {
		input func(a *Association)
		want  map[State]ending
	}{
		// §9.2, §9.2 "ULP requests are ignored", §4.
		"Shutdown": {func(a *Association) { _ = a.Shutdown(tableNow) }, with(with(with(same(),
			CookieWait, closed), CookieEchoed, ending{Closed, "[ABORT]"}), Established, ending{ShutdownSent, "[SHUTDOWN]"})},
		// §9.1. In COOKIE-WAIT the peer's tag is not known.
		"Abort": {func(a *Association) { _ = a.Abort(tableNow, []byte("why")) }, with(all(ending{Closed, "[ABORT]"}), CookieWait, closed)},
		"SHUTDOWN": {chunk(func(a *Association) tableChunk { return &wire.Shutdown{CumTSN: a.id.localInitTSN - 1} }),
			with(with(with(with(same(), Established, ending{ShutdownAckSent, "[SHUTDOWN-ACK]"}),
				ShutdownPending, ending{ShutdownReceived, ""}), ShutdownSent, ending{ShutdownAckSent, "[SHUTDOWN-ACK]"}),
				ShutdownAckSent, ending{ShutdownAckSent, "[SHUTDOWN-ACK]"})},
		"SHUTDOWN that acknowledges all": {chunk(func(a *Association) tableChunk { return &wire.Shutdown{CumTSN: a.tx.out.Next() - 1} }),
			with(with(all(ending{ShutdownAckSent, "[SHUTDOWN-ACK]"}), CookieWait, ending{CookieWait, ""}), CookieEchoed, ending{CookieEchoed, ""})},
		// E1: validated as in a SACK.
		"SHUTDOWN of the future": {chunk(func(a *Association) tableChunk { return &wire.Shutdown{CumTSN: a.tx.out.Next()} }),
			with(with(all(ending{Closed, "[ABORT]"}), CookieWait, ending{CookieWait, ""}), CookieEchoed, ending{CookieEchoed, ""})},
		"SHUTDOWN ACK": {chunk(func(*Association) tableChunk { return &wire.ShutdownAck{} }),
			with(with(with(with(same(), CookieWait, ending{CookieWait, "[SHUTDOWN-COMPLETE]"}), CookieEchoed, ending{CookieEchoed, "[SHUTDOWN-COMPLETE]"}),
				ShutdownSent, ending{Closed, "[SHUTDOWN-COMPLETE]"}), ShutdownAckSent, ending{Closed, "[SHUTDOWN-COMPLETE]"})},
		"SHUTDOWN COMPLETE": {chunk(func(*Association) tableChunk { return &wire.ShutdownComplete{} }), with(same(), ShutdownAckSent, closed)},
		"SHUTDOWN COMPLETE T": {func(a *Association) {
			a.HandlePacket(tableNow, tableIn, tablePacket(tablePeerTag, &wire.ShutdownComplete{T: true}))
		}, with(same(), ShutdownAckSent, closed)},
		"ABORT": {chunk(func(*Association) tableChunk { return &wire.Abort{} }), all(closed)},
		"ABORT T": {func(a *Association) {
			a.HandlePacket(tableNow, tableIn, tablePacket(tablePeerTag, &wire.Abort{T: true}))
		},
			with(all(closed), CookieWait, ending{CookieWait, ""})},
	} {
		for s, want := range c.want {
			t.Run(fmt.Sprintf("%s in %v", name, s), func(t *testing.T) {
				a := tableEnd(t, s)
				if name == "SHUTDOWN ACK" && s == ShutdownAckSent {
					a.timers.set(timerT2Shutdown, tableNow.Add(time.Second))
				}
				c.input(a)
				sent, _ := tableDrain(t, a)
				text := ""
				if len(sent) > 0 {
					text = fmt.Sprint(sent)
				}
				require.Equal(t, want, ending{a.State(), text})
				if a.State() == Closed {
					_, running := a.NextTimeout()
					require.False(t, running, "no timer is left")
					require.Error(t, a.Send(tableNow, &Outgoing{}, []byte("x")))
				}
			})
		}
	}
}

// A peer that is gone leaves no state of this end behind, however the shutdown began
// (E4), and no longer than T5-shutdown-guard allows.
func TestE4EveryStateEndsByItself(t *testing.T) {
	for s := CookieWait; s <= ShutdownAckSent; s++ {
		t.Run(s.String(), func(t *testing.T) {
			a := tableEnd(t, s)
			if s == Established {
				require.NoError(t, a.Send(tableNow, &Outgoing{}, []byte("x")))
			}
			now, steps := tableNow, 0
			for a.State() != Closed {
				when, ok := a.NextTimeout()
				require.True(t, ok, "nothing would ever happen")
				require.Less(t, steps, 1000)
				now, steps = when, steps+1
				a.HandleTimeout(now)
				for buf := make([]byte, 0, 2048); ; {
					if _, ok := a.PollTransmit(now, buf, 1); !ok {
						break
					}
				}
			}
			require.Error(t, a.Err())
			require.LessOrEqual(t, now.Sub(tableNow), 10*time.Minute)
			if s > Established {
				require.LessOrEqual(t, now.Sub(tableNow), 5*a.cfg.RTOMax)
			}
		})
	}
}
