package main

import (
	"context"
	"io"
	"time"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/pooluser"
)

// meter is the writer of a download: it counts, notices fail-overs, and keeps to a rate.
type meter struct {
	ctx   context.Context
	s     *pooluser.Session
	w     io.Writer
	show  progress
	limit int64 // bytes a second; 0: none

	info      service.FileInfo
	have      int64
	failovers int
	worst     time.Duration // longest pause between two writes, without those for the rate
	last      time.Time     // end of the last write
	started   time.Time
	paid      time.Time // until when the rate is used up
}

func newMeter(ctx context.Context, s *pooluser.Session, w io.Writer, show progress, limit int64) *meter {
	return &meter{ctx: ctx, s: s, w: w, show: show, limit: limit}
}

// begin starts the clock. have is what is there already.
func (m *meter) begin(info service.FileInfo, have int64) {
	m.info, m.have, m.failovers = info, have, m.s.Failovers()
	m.started = time.Now()
	m.last, m.paid = m.started, m.started
	m.show.begin(event{Element: m.element(), Size: info.Size, Bytes: have, SHA256: hexSum(info)})
}

func (m *meter) element() string { return m.s.Element().ID.String() }

// Write implements io.Writer.
func (m *meter) Write(b []byte) (int, error) {
	pause := time.Since(m.last)
	m.worst = max(m.worst, pause)
	n, err := m.w.Write(b)
	m.have += int64(n)
	if k := m.s.Failovers(); k != m.failovers {
		m.failovers = k
		m.show.failover(event{Element: m.element(), Bytes: m.have, Size: m.info.Size, PauseMS: ms(pause)})
	}
	m.show.advance(event{Element: m.element(), Bytes: m.have, Size: m.info.Size})
	if err == nil {
		err = m.throttle(n)
	}
	m.last = time.Now()
	return n, err
}

// Time that was not used is good for so long a burst; and below the least sleep it is
// no use to sleep, because timers are not that exact.
const (
	maxBurst = 20 * time.Millisecond
	minSleep = 2 * time.Millisecond
)

// throttle waits until n bytes more may be taken.
func (m *meter) throttle(n int) error {
	if m.limit <= 0 {
		return nil
	}
	now := time.Now()
	if earliest := now.Add(-maxBurst); m.paid.Before(earliest) {
		m.paid = earliest
	}
	m.paid = m.paid.Add(time.Duration(float64(n) / float64(m.limit) * float64(time.Second)))
	if m.paid.Sub(now) < minSleep {
		return nil
	}
	return sleep(m.ctx, m.paid.Sub(now))
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// done reports the end.
func (m *meter) done(file string) {
	m.show.done(event{
		Element: m.element(), Bytes: m.have, Size: m.info.Size, SHA256: hexSum(m.info), File: file,
		Failovers: m.failovers, WorstPauseMS: ms(m.worst), Seconds: time.Since(m.started).Seconds(),
	})
}

// ms is a duration in milliseconds, with three digits behind the point.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
