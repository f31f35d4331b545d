package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/sctp"
)

func perfServerCommand(o *perfOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "server ADDR",
		Short: "Serve measurements until standard input closes, then print what was received",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return withProfile(o.profile, func() error { return perfServe(c, args[0], o) })
		},
	}
}

// received is what the server's associations took in, together.
type received struct {
	mu          sync.Mutex
	msgs, bytes int64
	first, last time.Time // the first message and the latest end of a count
	conns       int64
	waiting     atomic.Int32 // goroutines in accept
}

// add counts what one association has received since first.
func (r *received) add(msgs, bytes int64, first time.Time) {
	if msgs == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.msgs += msgs
	r.bytes += bytes
	if r.first.IsZero() || first.Before(r.first) {
		r.first = first
	}
	r.last = time.Now()
}

func perfServe(c *cobra.Command, address string, o *perfOptions) (err error) {
	addr, err := sctp.ParseListenAddr(address)
	if err != nil {
		return usageError{err}
	}
	params, err := o.config()
	if err != nil {
		return err
	}
	cfg := o.lower.stack(addr)
	cfg.DisableOffload, cfg.MaxInitRate = o.noOffload, -1 // to see what can be done
	stack, done, err := o.observe.Open(c.Context(), cfg, c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	l, err := stack.Listen(addr, params)
	if err != nil {
		return err
	}
	r := &received{}
	go r.accept(l)
	fmt.Fprintln(c.OutOrStdout(), "ready")
	_, _ = io.Copy(io.Discard, c.InOrStdin()) // ends when the other side is done with us
	r.mu.Lock()
	defer r.mu.Unlock()
	total := report{"rx_msgs": r.msgs, "rx_bytes": r.bytes, "rx_secs": r.last.Sub(r.first).Seconds(), "rx_conns": r.conns}
	if o.human {
		total.rates("rx msgs", "rx_msgs", "rx_secs", 1)
		total.rates("rx Mbit", "rx_bytes", "rx_secs", 8.0/1e6)
	}
	return o.print(c.OutOrStdout(), total)
}

// accept serves associations, in the goroutine that accepted them: as long as they are
// short, as those of the mode assoc, the same few goroutines do it all.
func (r *received) accept(l *sctp.Listener) {
	const spare = 8 // goroutines that wait for associations
	for r.waiting.Add(1) <= spare {
		a, err := l.AcceptSCTP(context.Background())
		if err != nil {
			return
		}
		if r.waiting.Add(-1) == 0 {
			go r.accept(l)
		}
		r.serve(a)
	}
	r.waiting.Add(-1)
}

// serve does what the first byte of each message says.
func (r *received) serve(a *sctp.Association) {
	defer a.Close()
	r.mu.Lock()
	r.conns++
	r.mu.Unlock()
	ctx := context.Background()
	buf := make([]byte, 64)
	var msgs, bytes int64
	var first time.Time
	for {
		m, err := a.ReceiveMessage(ctx, buf[:cap(buf)], maxPerfMessage)
		if err != nil {
			return
		}
		if cap(m.Data) > cap(buf) {
			buf = m.Data
		}
		switch m.Data[0] {
		case opCount:
			if msgs == 0 {
				first = time.Now()
			}
			msgs++
			bytes += int64(len(m.Data))
		case opCountNow:
			r.add(1, int64(len(m.Data)), time.Now())
		case opEcho:
			r.add(msgs, bytes, first)
			msgs, bytes = 0, 0
			err = a.Send(ctx, &sctp.Message{Data: m.Data})
		case opMemory:
			figures := map[string]float64{"cpu_before": cpuSeconds()}
			maps.Copy(figures, memory())
			figures["cpu_after"] = cpuSeconds()
			var b []byte
			if b, err = json.Marshal(figures); err == nil {
				err = a.Send(ctx, &sctp.Message{Data: b})
			}
		}
		if err != nil {
			return
		}
	}
}
