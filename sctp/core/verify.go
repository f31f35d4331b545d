package core

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/core/internal/tx"
)

// Verify checks the association against itself, after its outputs were drained:
// counters against what they count, and that whatever it waits for has a timer. It
// is for simulations and fuzzing: it is slow, and what it finds is a defect of this
// package.
func (a *Association) Verify() error {
	if a.state == Closed {
		_, running := a.NextTimeout()
		return rule(!running, "a closed association has a timer")
	}
	err := errors.Join(tx.Verify(&a.tx.queue, &a.tx.out, a.paths.All), a.rx.tsn.Verify(), a.rx.inbox.Verify(), a.verifyTimers(), a.verifyOutput())
	if err != nil {
		return fmt.Errorf("%v: %w", a.state, err)
	}
	return nil
}

func rule(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New(what)
}

// verifyTimers checks that nothing is waited for without a limit.
func (a *Association) verifyTimers() error {
	sends := a.state.sendsData()
	held := slices.ContainsFunc(a.paths.All, func(p *path.Path) bool { return !p.Hold.IsZero() })
	owed := a.rx.packets > 0 && a.state.receivesData()
	errs := []error{
		rule(a.timers.running(timerT1Init) == (a.state == CookieWait), "T1-init"),
		rule(a.timers.running(timerT1Cookie) == (a.state == CookieEchoed), "T1-cookie"),
		rule(a.timers.running(timerT2Shutdown) == (a.state == ShutdownSent || a.state == ShutdownAckSent), "T2-shutdown"),
		rule(a.timers.running(timerT5Guard) || a.state != ShutdownPending && a.state != ShutdownReceived, "T5-shutdown-guard"),
		rule(!owed || a.timers.running(timerSack), "DATA is not acknowledged"),
		rule(!sends || held || a.tx.out.Lost() == 0 || a.tx.out.InFlight() > 0, "lost chunks wait for nothing"),
		rule(!sends || held || a.front(a.now) == nil || a.tx.out.Len() > 0 || a.timers.running(timerProbe), "messages wait for nothing"),
	}
	for _, p := range a.paths.All {
		errs = append(errs, rule(p.T3.IsZero() == (p.InFlight == 0), fmt.Sprint("T3-rtx of ", p.Remote, " in flight ", p.InFlight)),
			rule(p.LossProbeAt().IsZero() || !p.T3.IsZero(), fmt.Sprint("a loss probe of ", p.Remote, " without T3-rtx")))
		errs = append(errs, rule(!p.Discovery.Due && (p.Discovery.SentAt.IsZero() || !p.Discovery.At.IsZero()), fmt.Sprint("PROBE_TIMER of ", p.Remote)))
	}
	return errors.Join(errs...)
}

// verifyOutput checks that all was sent and the bounds are kept.
func (a *Association) verifyOutput() error {
	return errors.Join(
		rule(len(a.out.packets) == 0, "packets are left over"),
		rule(len(a.out.chunks) == 0, "control chunks are left over"),
		rule(len(a.out.reports) == 0, "reports are left over"),
		rule(!a.rx.sackNow || a.state == CookieEchoed, "a SACK is left over"),
		rule(a.tx.peerRwnd >= 0, "the peer's window is negative"),
		rule(len(a.ev.q) <= maxEvents+8, "events pile up"),
	)
}
