package sctp

import (
	"sync"
	"time"
)

// alarms wakes the associations of a stack at their deadlines, with one timer for all
// of them: ten thousand idle ones have ten thousand heartbeats ahead.
//
// It is a heap. An association is in it once at most, and knows its place.
type alarms struct {
	mu     sync.Mutex
	base   time.Time // Stack.began, from which times are counted: a third of the size
	heap   []alarm
	timer  *time.Timer
	set    time.Duration // when timer fires
	ticks  bool          // it will
	firing bool          // the due ones are being woken
	due    []*Association
}

// alarm is when an association wants to be woken.
type alarm struct {
	at time.Duration
	a  *Association
}

// wake makes a.onAlarm be called at a time, instead of when it was to be before.
func (s *alarms) wake(a *Association, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.alarm == 0 {
		s.heap = append(s.heap, alarm{})
		a.alarm = int32(len(s.heap))
	}
	i := int(a.alarm) - 1
	s.heap[i] = alarm{at, a}
	s.fix(i)
	s.arm()
}

// forget takes an association out.
func (s *alarms) forget(a *Association) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(a)
}

// remove is forget. The caller holds mu.
func (s *alarms) remove(a *Association) {
	i, last := int(a.alarm)-1, len(s.heap)-1
	if i < 0 {
		return
	}
	a.alarm = 0
	moved := s.heap[last]
	s.heap[last] = alarm{}
	s.heap = s.heap[:last]
	switch {
	case last == 0:
		s.heap = nil
	case i < last:
		s.heap[i] = moved
		moved.a.alarm = int32(i + 1)
		s.fix(i)
	}
}

// arm sets the timer to the first deadline, unless it fires before. The caller holds
// mu.
func (s *alarms) arm() {
	if len(s.heap) == 0 || s.firing || s.ticks && s.set <= s.heap[0].at {
		return
	}
	s.set, s.ticks = s.heap[0].at, true
	left := max(time.Until(s.base.Add(s.set)), 0)
	if s.timer == nil {
		s.timer = time.AfterFunc(left, s.fire)
		return
	}
	s.timer.Reset(left)
}

// fire is the timer.
func (s *alarms) fire() {
	s.mu.Lock()
	s.ticks = false
	if s.firing {
		s.mu.Unlock()
		return // whoever is at it looks at the heap again
	}
	s.firing = true
	for {
		now := time.Since(s.base)
		for len(s.heap) > 0 && s.heap[0].at <= now {
			a := s.heap[0].a
			s.remove(a)
			s.due = append(s.due, a)
		}
		if len(s.due) == 0 {
			break
		}
		due := s.due
		s.mu.Unlock()
		for i, a := range due {
			a.onAlarm()
			due[i] = nil
		}
		s.mu.Lock()
		s.due = due[:0]
	}
	s.due = nil
	s.firing = false
	s.arm()
	s.mu.Unlock()
}

// stop ends the timer, for a stack without associations.
func (s *alarms) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// fix moves the entry at i to where it belongs.
func (s *alarms) fix(i int) {
	h := s.heap
	e := h[i]
	for i > 0 && e.at < h[(i-1)/2].at {
		s.put(i, h[(i-1)/2])
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].at < h[child].at {
			child++
		}
		if child >= len(h) || e.at <= h[child].at {
			break
		}
		s.put(i, h[child])
		i = child
	}
	s.put(i, e)
}

func (s *alarms) put(i int, e alarm) {
	s.heap[i] = e
	e.a.alarm = int32(i + 1)
}
