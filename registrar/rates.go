package registrar

import (
	"time"

	"github.com/rserpool/rserpool/registrar/core"
)

const (
	rateSeconds = 60 // how far back activity is known
	rateWindow  = 10 // seconds that a rate is the mean of
)

// RatesStatus is what the registrar has lately been doing, each second.
type RatesStatus struct {
	WindowS       float64 `json:"window_s"` // what the numbers are means of
	Resolutions   float64 `json:"resolutions"`
	Registrations float64 `json:"registrations"` // re-registrations included
	Reports       float64 `json:"reports"`
	KeepAlives    float64 `json:"keep_alives"`
	Updates       float64 `json:"updates"` // received and sent
}

// activity counts what happened in one second.
type activity struct{ resolutions, registrations, reports, keepAlives, updates uint64 }

func activityOf(s *core.Stats) activity {
	return activity{s.Resolutions, s.Registrations + s.Reregistrations, s.Reports, s.KeepAlivesSent, s.UpdatesSent + s.UpdatesReceived}
}

func (a activity) minus(b activity) activity {
	return activity{a.resolutions - b.resolutions, a.registrations - b.registrations, a.reports - b.reports,
		a.keepAlives - b.keepAlives, a.updates - b.updates}
}

func (a activity) plus(b activity) activity {
	return activity{a.resolutions + b.resolutions, a.registrations + b.registrations, a.reports + b.reports,
		a.keepAlives + b.keepAlives, a.updates + b.updates}
}

// rates remembers the activity of the last seconds. It needs no timer: each input of the
// state machine first closes the seconds that have gone by.
type rates struct {
	second  int // since the start, the one that runs
	base    activity
	history [rateSeconds]activity // by second modulo rateSeconds
}

// tick notes that the time is up since the start, and what has been counted until now.
func (r *rates) tick(up time.Duration, s *core.Stats) {
	sec := int(up / time.Second)
	if sec <= r.second {
		return
	}
	now := activityOf(s)
	r.history[r.second%rateSeconds] = now.minus(r.base)
	for i := max(r.second+1, sec-rateSeconds); i < sec; i++ { // nothing happened then
		r.history[i%rateSeconds] = activity{}
	}
	r.second, r.base = sec, now
}

// last returns the activity of the last seconds that are over, the oldest first: at most
// n, fewer soon after the start.
func (r *rates) last(n int) []activity {
	n = min(n, r.second, rateSeconds-1)
	out := make([]activity, 0, n)
	for i := r.second - n; i < r.second; i++ {
		out = append(out, r.history[i%rateSeconds])
	}
	return out
}

// status is the mean of the last seconds.
func (r *rates) status() RatesStatus {
	var sum activity
	last := r.last(rateWindow)
	for _, a := range last {
		sum = sum.plus(a)
	}
	n := float64(max(len(last), 1))
	return RatesStatus{
		WindowS: float64(len(last)), Resolutions: float64(sum.resolutions) / n, Registrations: float64(sum.registrations) / n,
		Reports: float64(sum.reports) / n, KeepAlives: float64(sum.keepAlives) / n, Updates: float64(sum.updates) / n,
	}
}
