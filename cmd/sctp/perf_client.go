package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
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

  bulk SIZE MILLISECONDS       messages of SIZE bytes on one stream, ordered
  pingpong SIZE COUNT          a message there and back, COUNT times
  assoc MILLISECONDS PARALLEL  set-up and graceful shutdown without data
  idle COUNT                   keep COUNT associations and tell their memory`,
		Args: cobra.MinimumNArgs(2),
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
	n, err := numbers(args[2:])
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
	p := &perfClient{ctx: c.Context(), stack: stack, addr: addrs[0], cfg: o.config()}
	var r report
	switch mode := args[1]; {
	case mode == "bulk" && len(n) == 2:
		r, err = p.bulk(n[0], time.Duration(n[1])*time.Millisecond)
	case mode == "pingpong" && len(n) == 2:
		r, err = p.pingpong(n[0], n[1])
	case mode == "assoc" && len(n) >= 1:
		r = p.assoc(time.Duration(n[0])*time.Millisecond, append(n, 1)[1])
	case mode == "idle" && len(n) == 1:
		r, err = p.idle(n[0])
	case slices.Contains([]string{"bulk", "pingpong", "assoc", "idle"}, mode):
		return usage("perf client: wrong number of arguments for %s", mode)
	default:
		return fmt.Errorf("%w: %s", errUnsupported, mode)
	}
	if err != nil {
		return err
	}
	return o.print(c.OutOrStdout(), r)
}

func numbers(args []string) ([]int, error) {
	n := make([]int, 0, len(args)+1)
	for _, a := range args {
		v, err := strconv.Atoi(a)
		if err != nil || v <= 0 {
			return nil, usage("perf client: %q is not a positive number", a)
		}
		n = append(n, v)
	}
	return n, nil
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

// bulk sends for d, then waits until the server has it all.
func (p *perfClient) bulk(size int, d time.Duration) (report, error) {
	a, err := p.dial()
	if err != nil {
		return nil, err
	}
	defer a.Close()
	msg, echo, mark := make([]byte, size), make([]byte, 256), []byte{opEcho}
	msg[0] = opCount
	if _, err := p.roundTrip(a, mark, echo); err != nil {
		return nil, err
	}
	m := sctp.Message{Data: msg, More: true}
	start, sent := time.Now(), 0
	// The clock is looked at once per 64 KiB.
	for every := max(1, 65536/size); sent%every != 0 || time.Since(start) < d; sent++ {
		if err := a.Send(p.ctx, &m); err != nil {
			return nil, err
		}
	}
	if _, err := p.roundTrip(a, mark, echo); err != nil {
		return nil, err
	}
	return report{"msgs": sent, "secs": time.Since(start).Seconds()}, nil
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

// idle opens count associations and tells what each costs at both ends.
func (p *perfClient) idle(count int) (report, error) {
	probe, err := p.dial()
	if err != nil {
		return nil, err
	}
	server0, err := p.serverMemory(probe)
	if err != nil {
		return nil, err
	}
	client0 := memory()
	assocs := make([]*sctp.Association, count)
	start := time.Now()
	for i := range assocs {
		if assocs[i], err = p.dial(); err != nil {
			return nil, fmt.Errorf("association %d: %w", i, err)
		}
	}
	r := report{"assocs": count, "open_secs": time.Since(start).Seconds()}
	time.Sleep(300 * time.Millisecond) // the last handshakes settle
	client1 := memory()
	server1, err := p.serverMemory(probe)
	if err != nil {
		return nil, err
	}
	for k := range client0 {
		r["client_"+k+"_per"] = (client1[k] - client0[k]) / float64(count)
		r["server_"+k+"_per"] = (server1[k] - server0[k]) / float64(count)
	}
	runtime.KeepAlive(assocs)
	return r, nil
}

func (p *perfClient) serverMemory(a *sctp.Association) (map[string]float64, error) {
	b, err := p.roundTrip(a, []byte{opMemory}, make([]byte, 512))
	if err != nil {
		return nil, err
	}
	var m map[string]float64
	return m, json.Unmarshal(b, &m)
}
