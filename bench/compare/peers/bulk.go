package main

import (
	"errors"
	"sync"
	"time"
)

// connections is how many associations the measurement has at once; a stack may
// divide among them what it queues.
var connections = 1

// bulk sends for d on count associations at once and waits until all has arrived.
func (p messagePeer) bulk(addr string, size int, d time.Duration, count int) (report, error) {
	connections = count
	conns := make([]conn, count)
	for i := range conns {
		c, err := p.dial(addr)
		if err != nil {
			return nil, err
		}
		defer c.close()
		if err := roundTrip(c, []byte{opEcho}, make([]byte, 256)); err != nil {
			return nil, err
		}
		conns[i] = c
	}
	start := time.Now()
	sent, errs := make([]int, count), make([]error, count)
	var wg sync.WaitGroup
	for i, c := range conns[1:] {
		wg.Go(func() { sent[i+1], errs[i+1] = bulkOn(c, size, start.Add(d)) })
	}
	sent[0], errs[0] = bulkOn(conns[0], size, start.Add(d))
	wg.Wait()
	total := 0
	for _, n := range sent {
		total += n
	}
	return report{"msgs": total, "secs": time.Since(start).Seconds()}, errors.Join(errs...)
}

func bulkOn(c conn, size int, until time.Time) (int, error) {
	msg := make([]byte, size)
	msg[0] = opSink
	n := 0
	for every := max(1, 65536/size); n%every != 0 || time.Now().Before(until); n++ {
		if err := c.send(msg, false); err != nil {
			return n, err
		}
	}
	return n, roundTrip(c, []byte{opEcho}, make([]byte, 256))
}

// timed sends for d; what has not arrived by then does not count. It leaves the
// association as it is: a stack may not even return from the last send.
func (p messagePeer) timed(addr string, size int, d time.Duration) (report, error) {
	c, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	var sent int
	var mu sync.Mutex
	failed := make(chan error, 1)
	go func() {
		msg := make([]byte, size)
		msg[0] = opNow
		for {
			if err := c.send(msg, true); err != nil {
				failed <- err
				return
			}
			mu.Lock()
			sent++
			mu.Unlock()
		}
	}()
	select {
	case err := <-failed:
		return nil, err
	case <-time.After(d):
	}
	mu.Lock()
	defer mu.Unlock()
	return report{"msgs": sent, "secs": d.Seconds()}, nil
}
