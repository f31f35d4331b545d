package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/sctp"
)

// What rspserver has as defaults.
const (
	calcCapacity  = 1_000_000
	calcMaxJobs   = 10
	calcCookie    = time.Second // rspserver's are rarer: who fails over loses less with ours
	calcKeepAlive = 2500 * time.Millisecond
	calcTick      = 50 * time.Millisecond
)

// CalcApp pretends to calculate, as rsplib's server does: a job of so many calculations
// takes its time, and the jobs of all sessions share the capacity. Cookies say how
// far a job is, so that another element goes on with it.
type CalcApp struct {
	// Capacity is in calculations per second. Zero: a million.
	Capacity float64
	// MaxJobs is how many may be done at once; others are rejected. Zero: 10.
	MaxJobs int

	mu   sync.Mutex
	jobs int
	work float64 // calculations that each job would have got if it had always been there
	at   time.Time
}

// change lets time go by and adds so many jobs; it returns the work so far and false if
// there is no room.
func (c *CalcApp) change(jobs int) (work float64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	capacity, most, now := c.Capacity, c.MaxJobs, time.Now()
	if capacity <= 0 {
		capacity = calcCapacity
	}
	if most <= 0 {
		most = calcMaxJobs
	}
	if c.jobs > 0 {
		c.work += capacity * now.Sub(c.at).Seconds() / float64(c.jobs)
	}
	c.at = now
	if jobs > 0 && c.jobs == most {
		return c.work, false
	}
	c.jobs += jobs
	return c.work, true
}

// ServeSession implements poolelement.Handler.
func (c *CalcApp) ServeSession(ctx context.Context, s *poolelement.Session) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cs := &calcSession{c: c, s: s}
	defer cs.drop()
	if err := cs.serve(ctx); err != nil {
		_ = s.Association().Abort(err.Error()) // it may have ended
	}
}

// calcSession is one session and the job that it is about, if any.
type calcSession struct {
	c *CalcApp
	s *poolelement.Session

	job    *calcJob
	before uint64  // what was completed elsewhere
	start  float64 // CalcApp.work when it began here
	told   time.Time
	asked  time.Time // when the user was asked whether it is there
	silent bool      // it has not answered
}

func (cs *calcSession) serve(ctx context.Context) error {
	state, err := cs.s.Cookie(ctx)
	if errors.Is(err, cookie.ErrInvalid) {
		return err
	}
	if err != nil {
		return nil // the user has gone
	}
	if state != nil {
		job, err := decodeCalcCookie(state)
		if err != nil {
			return err
		}
		cs.begin(ctx, job)
	}
	in := make(chan sctp.Message)
	go func() {
		defer close(in)
		for {
			m, err := Receive(ctx, cs.s, nil, calcLength)
			if errors.Is(err, ErrTooLong) {
				m.Data = nil // which is malformed
			} else if err != nil {
				return
			}
			select {
			case in <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(calcTick)
	defer tick.Stop()
	for {
		select {
		case m, ok := <-in:
			if !ok {
				return nil
			}
			if err := cs.handle(ctx, m.Data); err != nil {
				return err
			}
		case <-tick.C:
			if err := cs.calculate(ctx); err != nil {
				return err
			}
		}
	}
}

// say sends a message about the job; the session's end is noticed elsewhere.
func (cs *calcSession) say(ctx context.Context, m CalcMessage) {
	_ = cs.s.Send(ctx, &sctp.Message{PPID: PPIDCalcApp, Data: m.AppendTo(nil)})
}

func (cs *calcSession) handle(ctx context.Context, b []byte) error {
	m, err := DecodeCalcMessage(b)
	if err != nil {
		return err
	}
	switch m.Type {
	case CalcRequest:
		if cs.job != nil {
			return errors.New("a second job at once")
		}
		cs.begin(ctx, &calcJob{id: m.JobID, size: m.JobSize})
	case CalcAbort:
		cs.drop()
	case CalcKeepAlive:
		cs.say(ctx, CalcMessage{Type: CalcKeepAliveAck, JobID: m.JobID})
	case CalcKeepAliveAck:
		cs.silent = false
	default:
		return fmt.Errorf("CalcApp message of type %d from a user", m.Type)
	}
	return nil
}

// begin accepts or rejects a job.
func (cs *calcSession) begin(ctx context.Context, j *calcJob) {
	work, ok := cs.c.change(1)
	if !ok {
		cs.say(ctx, CalcMessage{Type: CalcReject, JobID: j.id})
		return
	}
	cs.job, cs.before, cs.start = j, j.completed, work
	cs.told, cs.asked, cs.silent = time.Now(), time.Now(), false
	cs.say(ctx, CalcMessage{Type: CalcAccept, JobID: j.id})
}

// drop forgets the job, if there is one.
func (cs *calcSession) drop() {
	if cs.job != nil {
		cs.c.change(-1)
		cs.job = nil
	}
}

// calculate lets the job go on as time does.
func (cs *calcSession) calculate(ctx context.Context) error {
	j := cs.job
	if j == nil {
		return nil
	}
	work, _ := cs.c.change(0)
	if done := work - cs.start; done >= float64(j.size-cs.before) {
		cs.drop()
		cs.say(ctx, CalcMessage{Type: CalcComplete, JobID: j.id, JobSize: j.size, Completed: j.size})
		return nil
	} else {
		j.completed = cs.before + uint64(done)
	}
	now := time.Now()
	if now.Sub(cs.told) >= calcCookie {
		cs.told = now
		// On a transport without control channel there are no cookies.
		_ = cs.s.SendCookie(ctx, j.cookie())
	}
	if now.Sub(cs.asked) >= calcKeepAlive {
		if cs.silent {
			return errors.New("the user does not answer")
		}
		cs.asked, cs.silent = now, true
		cs.say(ctx, CalcMessage{Type: CalcKeepAlive, JobID: j.id})
	}
	return nil
}
