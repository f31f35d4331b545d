package main

import (
	"context"
	"errors"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/sctp"
)

func perfClientCommand(o *perfOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "client ADDR MODE ARGS...",
		Short: "Run one measurement against a perf server",
		Long: `Run one measurement against a perf server:

  bulk SIZE MILLISECONDS [COUNT]  messages of SIZE bytes on one stream, ordered;
                                  on COUNT associations at once
  timed SIZE MILLISECONDS         the same, and what has not arrived by then is
                                  given up: for slow and lossy paths
  pingpong SIZE COUNT             a message there and back, COUNT times
  assoc MILLISECONDS [PARALLEL]   set-up and graceful shutdown without data
  idle COUNT [SECONDS]            keep COUNT associations and tell their memory,
                                  and the CPU time that they take in SECONDS`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeMode,
		RunE: func(c *cobra.Command, args []string) error {
			return withProfile(o.profile, func() error { return perfRun(c, args, o) })
		},
	}
}

// withProfile runs f and writes a CPU profile of it, if a file is given.
func withProfile(file string, f func() error) error {
	if file == "" {
		return f()
	}
	w, err := os.Create(file)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := pprof.StartCPUProfile(w); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

// perfClient dials from one stack.
type perfClient struct {
	ctx   context.Context
	stack *sctp.Stack
	addr  *sctp.Addr
	cfg   *sctp.Config
}

func perfRun(c *cobra.Command, args []string, o *perfOptions) (err error) {
	mode := args[1]
	n, err := modeArgs(mode, args[2:])
	if err != nil {
		return err
	}
	params, err := o.config()
	if err != nil {
		return err
	}
	addrs, err := sctp.ResolveAddr(c.Context(), args[0])
	if err != nil {
		return usageError{err}
	}
	cfg := o.lower.stack(nil)
	cfg.DisableOffload = o.noOffload
	stack, done, err := o.observe.Open(c.Context(), cfg, c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	p := &perfClient{ctx: c.Context(), stack: stack, addr: addrs[0], cfg: params}
	var r report
	switch mode {
	case "bulk":
		r, err = p.bulk(n[0], time.Duration(n[1])*time.Millisecond, append(n, 1)[2])
	case "timed":
		r, err = p.timed(n[0], time.Duration(n[1])*time.Millisecond)
	case "pingpong":
		r, err = p.pingpong(n[0], n[1])
	case "assoc":
		r = p.assoc(time.Duration(n[0])*time.Millisecond, append(n, 1)[1])
	case "idle":
		r, err = p.idle(n[0], time.Duration(append(n, 0)[1])*time.Second)
	}
	if err != nil {
		return err
	}
	if o.human {
		r.rates("msgs", "msgs", "secs", 1)
		r.rates("assocs", "assocs", "secs", 1)
		if mode == "bulk" || mode == "timed" {
			r.rates("Mbit", "msgs", "secs", float64(n[0])*8/1e6)
		}
	}
	return o.print(c.OutOrStdout(), r)
}

func (p *perfClient) dial() (*sctp.Association, error) { return p.stack.Dial(p.ctx, p.addr, p.cfg) }

// roundTrip sends a message and waits for its answer.
func (p *perfClient) roundTrip(a *sctp.Association, msg, buf []byte) ([]byte, error) {
	if err := a.Send(p.ctx, &sctp.Message{Data: msg}); err != nil {
		return nil, err
	}
	m, err := a.ReceiveMessage(p.ctx, buf, maxPerfMessage)
	return m.Data, err
}

// pingpong measures round trips after a warm-up of a tenth more.
func (p *perfClient) pingpong(size, count int) (report, error) {
	a, err := p.dial()
	if err != nil {
		return nil, err
	}
	defer a.Close()
	msg, buf := make([]byte, size), make([]byte, max(size, 256))
	msg[0] = opEcho
	rtt := make([]float64, 0, count)
	for i := range count + count/10 {
		start := time.Now()
		if _, err := p.roundTrip(a, msg, buf); err != nil {
			return nil, err
		}
		if i >= count/10 {
			rtt = append(rtt, float64(time.Since(start))/1e3)
		}
	}
	slices.Sort(rtt)
	return report{"msgs": count, "p50_us": rtt[count/2], "p99_us": rtt[count*99/100]}, nil
}

// assoc opens and gracefully closes associations for d.
func (p *perfClient) assoc(d time.Duration, parallel int) report {
	var wg sync.WaitGroup
	var mu sync.Mutex
	done, failed := 0, 0
	start := time.Now()
	for range parallel {
		wg.Go(func() {
			for time.Since(start) < d && p.ctx.Err() == nil {
				a, err := p.dial()
				if err == nil {
					err = a.Shutdown(p.ctx)
					_ = a.Close() // ended already, or Shutdown failed
				}
				mu.Lock()
				if err != nil {
					failed++
				} else {
					done++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return report{"assocs": done, "failed": failed, "secs": time.Since(start).Seconds()}
}
