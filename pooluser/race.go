package pooluser

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// maxRace bounds Config.Race.
const maxRace = 8

// race dials elements of a search: one after the other, or several at once with a head
// start for those that the policy prefers, as RFC 8305 §5 does with the addresses of a
// host. The first one that can be reached wins.
type race struct {
	s       *search
	ctx     context.Context // ends with the race
	cancel  context.CancelFunc
	over    chan struct{}   // closed with it: late ones are closed
	results chan finish     // not buffered
	running []rserpool.PEID // in the order in which they started
	next    *time.Timer     // when the next one may start beside those that run
	alone   bool            // there is nobody to start beside them
}

// finish is the outcome of dialing an element.
type finish struct {
	way   way
	err   error
	ahead int // how many of those that still run had started before it
}

func (s *search) newRace(ctx context.Context) *race {
	r := &race{s: s, over: make(chan struct{}), results: make(chan finish), next: time.NewTimer(0)}
	r.next.Stop()
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// stop ends the race: who still runs is given up, and closed if it arrives nevertheless.
func (r *race) stop() {
	r.cancel()
	r.next.Stop()
	close(r.over)
}

// start dials an element.
func (r *race) start(el Element) {
	r.running = append(r.running, el.ID)
	r.alone = false
	r.next.Reset(r.s.pu.cfg.RaceDelay)
	go func() {
		w, err := r.s.pu.dialElement(r.ctx, r.s.handle, &el)
		select {
		case r.results <- finish{way: w, err: err}:
		case <-r.over:
			w.discard()
		}
	}()
}

// wait returns the next outcome; ok is false when another element may start beside
// those that run.
func (r *race) wait(ctx context.Context) (f finish, ok bool) {
	var start <-chan time.Time
	if len(r.running) < r.s.pu.cfg.Race && !r.alone {
		start = r.next.C
	}
	select {
	case f = <-r.results:
		f.ahead = slices.Index(r.running, f.way.el.ID)
		r.running = slices.Delete(r.running, f.ahead, f.ahead+1)
		r.next.Reset(0) // its place is free
		return f, true
	case <-start:
		return finish{}, false
	case <-r.s.pu.closing:
		return finish{err: net.ErrClosed}, true
	case <-ctx.Done():
		return finish{err: ctx.Err()}, true
	}
}

// overtaken holds it against those that had a head start on the winner and have not
// arrived: they come last for a while. They are not reported as unreachable, since they
// were not given the time to answer.
func (r *race) overtaken(f finish) {
	for _, id := range r.running[:f.ahead] {
		r.s.pu.strike(r.s.handle, id)
	}
}

// next returns a way to the next element that can be reached. It goes on until ctx
// ends, or, unless the search waits, until there is no pool or no registrar.
func (s *search) next(ctx context.Context) (way, error) {
	r := s.newRace(ctx)
	defer r.stop()
	for {
		if len(r.running) > 0 {
			f, ok := r.wait(ctx)
			switch {
			case !ok:
				// Of those that are known: a registrar is not worth waiting for now.
				if el, found := s.known(); found {
					r.start(el)
				} else {
					r.alone = true
				}
				continue
			case f.err == nil:
				r.overtaken(f)
				return f.way, nil
			case ctx.Err() != nil:
				return f.way, s.wrap(ctx.Err())
			case errors.Is(f.err, net.ErrClosed):
				return f.way, f.err
			}
			s.lastErr = f.err
			continue // with another one at once
		}
		el, err := s.choose(ctx)
		switch {
		case err == nil:
			r.start(el)
			continue
		case ctx.Err() != nil:
			return way{el: el}, s.wrap(ctx.Err())
		case errors.Is(err, net.ErrClosed):
			return way{el: el}, err
		case !s.wait && !errors.Is(err, errRoundOver):
			return way{el: el}, err
		case s.once:
			return way{el: el}, s.lastErr
		}
		if err := s.pause(ctx); err != nil {
			return way{el: el}, s.wrap(err)
		}
	}
}
