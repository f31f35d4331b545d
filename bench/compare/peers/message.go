package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// The first byte of a message says what the server does with it.
const (
	opSink   = 'S' // count it; the count is told when the next opEcho comes
	opNow    = 'T' // count it, and tell the count whatever comes next
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

// counters is what all associations of a server have received, together.
type counters struct {
	mu          sync.Mutex
	msgs, bytes int64
	first, last time.Time
	conns       int64
}

func (c *counters) add(msgs, bytes int64, first time.Time) {
	if msgs == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.msgs += msgs
	c.bytes += bytes
	if c.first.IsZero() || first.Before(c.first) {
		c.first = first
	}
	c.last = time.Now()
}

func (p messagePeer) serve(addr string) (func() report, error) {
	c := &counters{}
	err := p.listen(addr, func(n conn) { c.serve(n) })
	return func() report {
		c.mu.Lock()
		defer c.mu.Unlock()
		return report{"rx_msgs": c.msgs, "rx_bytes": c.bytes, "rx_secs": c.last.Sub(c.first).Seconds(), "rx_conns": c.conns}
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
		case opNow:
			c.add(1, int64(k), time.Now())
		case opEcho:
			c.add(msgs, bytes, first)
			msgs, bytes = 0, 0
			n.send(buf[:k], true)
		case opMemory:
			figures := map[string]float64{"cpu_before": cpuSeconds()}
			maps.Copy(figures, memory())
			figures["cpu_after"] = cpuSeconds()
			b, _ := json.Marshal(figures)
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
		return p.bulk(addr, a[0], time.Duration(a[1])*time.Millisecond, max(1, a[2]))
	case "timed":
		return p.timed(addr, a[0], time.Duration(a[1])*time.Millisecond)
	case "pingpong":
		return p.pingpong(addr, a[0], a[1])
	case "assoc":
		return p.assoc(addr, time.Duration(a[0])*time.Millisecond, max(1, a[1]))
	case "idle":
		return p.idle(addr, a[0], time.Duration(a[1])*time.Second)
	}
	return nil, errUnsupported
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
