package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// profiled runs f with a CPU profile if a folder is given.
func profiled(folder, name string, f func() error) error {
	if folder == "" {
		return f()
	}
	file, err := os.Create(filepath.Join(folder, name+".pprof"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

// untilEOF returns a context that ends with standard input.
func untilEOF(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
		cancel()
	}()
	return ctx
}

// serveRegistrar runs a registrar with all elements until standard input ends.
func serveRegistrar(ctx context.Context, profile string) error {
	ctx = untilEOF(ctx)
	p := core.ProfileRFC // no keep-alives in the way
	p.KeepAlive = time.Hour
	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: p, Limits: core.Limits{ElementsPerSource: -1}}) // all from one address
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- profiled(profile, "registrar", func() error { return r.Run(ctx) }) }()
	<-r.Ready()
	at, _ := r.Addrs()
	stack, err := loopback()
	if err != nil {
		return err
	}
	defer stack.Close()
	if err := fill(ctx, stack, at); err != nil {
		return err
	}
	fmt.Println(at)
	return <-ended
}

func loopback() (*sctp.Stack, error) {
	return sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
}

// Pools are of two kinds: those that are looked up, and those whose elements register.
const lookedUp, registering = "pool", "busy"

func handle(kind string, pool int) rserpool.PoolHandle {
	return rserpool.PoolHandle(fmt.Sprintf("%s/%04d", kind, pool))
}

// registration is that of element n of all, in a pool of the given kind.
func registration(kind string, n int) *asap.Registration {
	return &asap.Registration{Handle: handle(kind, n%pools), Element: rserpool.PoolElement{
		ID: rserpool.PEID(n/pools + 1), Life: 0xffffffff, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		User: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 4711, UDPPort: 9899, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, byte(n >> 8), byte(n)})}},
	}}
}

// fill registers all elements, on an association that stays.
func fill(ctx context.Context, stack *sctp.Stack, at *sctp.Addr) error {
	a, err := stack.Dial(ctx, at, nil)
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for n := range pools * perPool {
		if err := a.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: registration(lookedUp, n).AppendTo(nil)}); err != nil {
			return err
		}
		m, err := a.ReceiveMessage(ctx, buf, len(buf))
		if err != nil {
			return err
		}
		if r, err := asap.Decode(m.Data); err != nil || r.(*asap.RegistrationResponse).Reject {
			return fmt.Errorf("registration: %v %w", r, err)
		}
	}
	return nil
}

// askRegistrar puts load on a registrar: each connection is a stack of its own, as those of
// programs are.
func askRegistrar(ctx context.Context, l *load) (result, error) {
	at, err := sctp.ParseAddr(l.Addr)
	if err != nil {
		return result{}, err
	}
	clocks := make([]clock, l.Conns)
	errs := make([]error, l.Conns)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	var ready sync.WaitGroup
	ready.Add(l.Conns)
	var started time.Time
	for i := range l.Conns {
		wg.Go(func() { errs[i] = talk(ctx, at, l, i, &clocks[i], &ready, begin) })
	}
	ready.Wait()
	started = time.Now()
	close(begin)
	wg.Wait()
	return sum(clocks, time.Since(started).Seconds()), errors.Join(errs...)
}

func talk(ctx context.Context, at *sctp.Addr, l *load, no int, c *clock, ready *sync.WaitGroup, begin <-chan struct{}) error {
	stack, err := loopback()
	if err != nil {
		ready.Done()
		return err
	}
	defer stack.Close()
	a, err := stack.Dial(ctx, at, nil)
	ready.Done()
	if err != nil {
		return err
	}
	defer a.Close()
	<-begin
	end := time.Now().Add(l.Time)
	rnd := rand.New(rand.NewPCG(uint64(no), 1))
	var sent []time.Time // of the questions under way, oldest first: answers keep the order
	out, buf := []byte(nil), make([]byte, 4096)
	ask := func() error {
		if l.What == "register" {
			out = registration(registering, no+l.Conns*rnd.IntN(pools*perPool/l.Conns)).AppendTo(out[:0])
		} else {
			out = (&asap.HandleResolution{Handle: handle(lookedUp, rnd.IntN(pools)), HasItems: true, Items: askedItems}).AppendTo(out[:0])
		}
		sent = append(sent, time.Now())
		return a.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: out})
	}
	for range l.Window {
		if err := ask(); err != nil {
			return err
		}
	}
	for len(sent) > 0 {
		m, err := a.ReceiveMessage(ctx, buf, len(buf))
		if err != nil {
			return err
		}
		if err := check(m.Data); err != nil {
			return err
		}
		now := time.Now()
		c.note(now.Sub(sent[0]))
		sent = append(sent[:0], sent[1:]...)
		if now.Before(end) {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	return nil
}

// check reads an answer.
func check(b []byte) error {
	m, err := asap.Decode(b)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *asap.HandleResolutionResponse:
		if len(m.Elements) != askedItems {
			return fmt.Errorf("%d elements: %v", len(m.Elements), m)
		}
	case *asap.RegistrationResponse:
		if m.Reject {
			return fmt.Errorf("refused: %v", m)
		}
	default:
		return fmt.Errorf("unexpected: %v", m)
	}
	return nil
}
