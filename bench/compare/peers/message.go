package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// The first byte of a message says what the server does with it.
const (
	opSink   = 'S' // count it
	opEcho   = 'E' // send it back
	opMemory = 'M' // collect garbage, reply with the memory figures as JSON
)

// conn is one association as the modes below see it. flush says that a reply is
// awaited, so that a stream stack must not keep the message in its buffer.
type conn interface {
	send(b []byte, flush bool) error
	recv(b []byte) (int, error)
	close() error // graceful
}

// stack opens and accepts associations.
type stack interface {
	listen(addr string, accepted func(conn)) error
	dial(addr string) (conn, error)
}

// messagePeer measures any stack of reliable messages.
type messagePeer struct{ stack }

type counters struct {
	mu          sync.Mutex
	msgs, bytes int64
	secs        float64
	conns       int64
}

func (p messagePeer) serve(addr string) (func() report, error) {
	c := &counters{}
	err := p.listen(addr, func(n conn) { c.serve(n) })
	return func() report {
		c.mu.Lock()
		defer c.mu.Unlock()
		return report{"rx_msgs": c.msgs, "rx_bytes": c.bytes, "rx_secs": c.secs, "rx_conns": c.conns}
	}, err
}

func (c *counters) serve(n conn) {
	c.mu.Lock()
	c.conns++
	c.mu.Unlock()
	buf := make([]byte, 64)
	var msgs, bytes int64
	var first time.Time
	for {
		k, err := n.recv(buf)
		if need, short := err.(needBuffer); short {
			buf = make([]byte, int(need))
			continue
		}
		if err != nil {
			n.close()
			return
		}
		switch buf[0] {
		case opSink:
			if msgs == 0 {
				first = time.Now()
			}
			msgs++
			bytes += int64(k)
		case opEcho:
			if msgs > 0 {
				c.mu.Lock()
				c.msgs, c.bytes, c.secs = msgs, bytes, time.Since(first).Seconds()
				c.mu.Unlock()
			}
			n.send(buf[:k], true)
		case opMemory:
			b, _ := json.Marshal(memory())
			n.send(b, true)
		}
	}
}

// needBuffer is the error of a recv whose buffer was too small; nothing was consumed.
type needBuffer int

func (n needBuffer) Error() string { return fmt.Sprint("need a buffer of ", int(n)) }

func (p messagePeer) client(addr, mode string, a []int) (report, error) {
	switch mode {
	case "bulk":
		return p.bulk(addr, a[0], time.Duration(a[1])*time.Millisecond)
	case "pingpong":
		return p.pingpong(addr, a[0], a[1])
	case "assoc":
		return p.assoc(addr, time.Duration(a[0])*time.Millisecond, max(1, a[1]))
	case "idle":
		return p.idle(addr, a[0])
	}
	return nil, errUnsupported
}

func (p messagePeer) bulk(addr string, size int, d time.Duration) (report, error) {
	c, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	msg, echo := make([]byte, size), make([]byte, 256)
	msg[0] = opSink
	if err := roundTrip(c, []byte{opEcho}, echo); err != nil {
		return nil, err
	}
	t0, n := time.Now(), 0
	every := max(1, 65536/size)
	for n%every != 0 || time.Since(t0) < d {
		if err := c.send(msg, false); err != nil {
			return nil, err
		}
		n++
	}
	if err := roundTrip(c, []byte{opEcho}, echo); err != nil {
		return nil, err
	}
	return report{"msgs": n, "secs": time.Since(t0).Seconds()}, nil
}

func roundTrip(c conn, msg, echo []byte) error {
	if err := c.send(msg, true); err != nil {
		return err
	}
	_, err := c.recv(echo)
	return err
}

func (p messagePeer) pingpong(addr string, size, count int) (report, error) {
	c, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	msg, echo := make([]byte, size), make([]byte, max(size, 256))
	msg[0] = opEcho
	return pingpong(count, func() error { return roundTrip(c, msg, echo) })
}

func pingpong(count int, once func() error) (report, error) {
	rtt := make([]float64, 0, count)
	for i := 0; i < count+count/10; i++ {
		t0 := time.Now()
		if err := once(); err != nil {
			return nil, err
		}
		if i >= count/10 {
			rtt = append(rtt, float64(time.Since(t0))/1e3)
		}
	}
	slices.Sort(rtt)
	return report{"msgs": count, "p50_us": rtt[count/2], "p99_us": rtt[count*99/100]}, nil
}

func (p messagePeer) assoc(addr string, d time.Duration, parallel int) (report, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done, failed int
	t0 := time.Now()
	for range parallel {
		wg.Go(func() {
			for time.Since(t0) < d {
				c, err := p.dial(addr)
				if err == nil {
					err = c.close()
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
	return report{"assocs": done, "failed": failed, "secs": time.Since(t0).Seconds()}, nil
}

// idle opens n associations and reports what each costs in the two processes.
func (p messagePeer) idle(addr string, n int) (report, error) {
	probe, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	var s0, s1 map[string]float64
	if err := askMemory(probe, &s0); err != nil {
		return nil, err
	}
	c0 := memory()
	conns := make([]conn, n)
	t0 := time.Now()
	for i := range conns {
		if conns[i], err = p.dial(addr); err != nil {
			return nil, fmt.Errorf("association %d: %w", i, err)
		}
	}
	secs := time.Since(t0).Seconds()
	time.Sleep(300 * time.Millisecond)
	c1 := memory()
	if err := askMemory(probe, &s1); err != nil {
		return nil, err
	}
	r := report{"assocs": n, "open_secs": secs}
	for k := range c0 {
		r["client_"+k+"_per"] = (c1[k] - c0[k]) / float64(n)
		r["server_"+k+"_per"] = (s1[k] - s0[k]) / float64(n)
	}
	runtime.KeepAlive(conns)
	return r, nil
}

func askMemory(c conn, into *map[string]float64) error {
	b := make([]byte, 512)
	if err := c.send([]byte{opMemory}, true); err != nil {
		return err
	}
	n, err := c.recv(b)
	if err != nil {
		return err
	}
	return json.Unmarshal(b[:n], into)
}

func memory() map[string]float64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var pages, resident float64
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(string(b), &pages, &resident)
	}
	return map[string]float64{
		"rss":        resident * float64(os.Getpagesize()),
		"heap":       float64(m.HeapAlloc),
		"stack":      float64(m.StackInuse),
		"goroutines": float64(runtime.NumGoroutine()),
	}
}
