package main

import (
	"errors"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

// bulk sends for d on count associations at once, then waits until the server has
// it all.
func (p *perfClient) bulk(size int, d time.Duration, count int) (report, error) {
	assocs := make([]*sctp.Association, count)
	for i := range assocs {
		a, err := p.dial()
		if err != nil {
			return nil, err
		}
		defer a.Close()
		if _, err := p.roundTrip(a, []byte{opEcho}, make([]byte, 256)); err != nil {
			return nil, err
		}
		assocs[i] = a
	}
	start := time.Now()
	sent, errs := make([]int, count), make([]error, count)
	var wg sync.WaitGroup
	for i, a := range assocs[1:] {
		wg.Go(func() { sent[i+1], errs[i+1] = p.bulkOn(a, size, start.Add(d)) })
	}
	sent[0], errs[0] = p.bulkOn(assocs[0], size, start.Add(d))
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	total := 0
	for _, n := range sent {
		total += n
	}
	return report{"msgs": total, "secs": time.Since(start).Seconds()}, nil
}

// bulkOn sends on one association until the given time, then waits for the echo of
// a mark. It returns the number of messages sent.
func (p *perfClient) bulkOn(a *sctp.Association, size int, until time.Time) (int, error) {
	msg := make([]byte, size)
	msg[0] = opCount
	m, sent := sctp.Message{Data: msg, More: true}, 0
	// The clock is looked at once per 64 KiB.
	for every := max(1, 65536/size); sent%every != 0 || time.Now().Before(until); sent++ {
		if err := a.Send(p.ctx, &m); err != nil {
			return sent, err
		}
	}
	_, err := p.roundTrip(a, []byte{opEcho}, make([]byte, 256))
	return sent, err
}

// timed sends for d and then gives up what has not arrived: what counts is what the
// server has received by then, since a slow path would take long to empty a full
// send buffer.
func (p *perfClient) timed(size int, d time.Duration) (report, error) {
	a, err := p.dial()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	stop := time.AfterFunc(d, func() { _ = a.Abort("the time is over") })
	defer stop.Stop()
	msg, sent := make([]byte, size), 0
	msg[0] = opCountNow
	for time.Since(start) < d {
		if err := a.Send(p.ctx, &sctp.Message{Data: msg}); err != nil {
			if time.Since(start) >= d {
				break // by the abort
			}
			return nil, err
		}
		sent++
	}
	return report{"msgs": sent, "secs": time.Since(start).Seconds()}, nil
}
