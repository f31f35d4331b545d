package csp

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// DefaultInterval is how often a Reporter reports unless told otherwise.
const DefaultInterval = 250 * time.Millisecond

// minInterval keeps a mistake from becoming a flood.
const minInterval = 10 * time.Millisecond

// Config says what a Reporter does.
type Config struct {
	// Server is where to report, `HOST[:PORT]`; the port is 2960 unless given.
	Server string
	// Interval is the time between reports, at least 10 ms. Zero: DefaultInterval.
	Interval time.Duration
	// Report returns the status. Uptime, since Start, Interval and Final are filled in. It is
	// called by one goroutine, and for the last time while Close waits.
	Report func() Report
}

// Reporter reports until it is closed.
type Reporter struct {
	cfg  Config
	conn net.Conn
	from time.Time
	stop chan struct{}
	done chan struct{}
}

// Start begins to report. That nobody listens is no error: a monitor may come later.
func Start(cfg *Config) (*Reporter, error) {
	r := &Reporter{cfg: *cfg, from: time.Now(), stop: make(chan struct{}), done: make(chan struct{})}
	if r.cfg.Interval == 0 {
		r.cfg.Interval = DefaultInterval
	}
	r.cfg.Interval = max(r.cfg.Interval, minInterval)
	var err error
	if r.conn, err = net.Dial("udp", withPort(cfg.Server)); err != nil {
		return nil, err
	}
	go r.run()
	return r, nil
}

// withPort adds the port that is meant without one.
func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(DefaultPort))
}

func (r *Reporter) run() {
	defer close(r.done)
	t := time.NewTicker(r.cfg.Interval)
	defer t.Stop()
	for {
		r.send(false)
		select {
		case <-t.C:
		case <-r.stop:
			r.send(true)
			return
		}
	}
}

func (r *Reporter) send(final bool) {
	s := r.cfg.Report()
	s.Uptime, s.Interval, s.Final = time.Since(r.from), r.cfg.Interval, final
	_, _ = r.conn.Write(s.AppendTo(nil)) // the next one may get through
}

// Close sends a last report, which says so.
func (r *Reporter) Close() error {
	close(r.stop)
	<-r.done
	return r.conn.Close()
}
