package core

import (
	"container/heap"
	"time"

	"github.com/rserpool/rserpool/handlespace"
)

// timerKind names what a timer is for. The kinds before timerSilent measure
// somebody's silence; see timers.postpone.
type timerKind uint8

const (
	timerKeepAliveTimeout timerKind = iota + 1 // element has not acknowledged
	timerLink                                  // element without an association
	timerPeer                                  // peer not heard, or not answering
	timerTakeover                              // acknowledgements of a takeover
	timerSync                                  // next page of a handle table
	timerLife                                  // element has not registered again
	timerSilent                                // not a timer: end of the above
	timerHeartbeat                             // PEER-HEARTBEAT-CYCLE
	timerMentor                                // end of the start-up
	timerMentorRetry                           // ask a mentor again
	timerServe                                 // a peer does not fetch its next page
	timerRetire                                // second connection with a peer
	timerDial                                  // try to reach a peer again
	timerKeepAlive                             // next keep-alive to an element
	timerElementDial                           // try to reach an element again
	timerNotify                                // tell subscribers of a pool
	timerDrain                                 // end of Drain
	timerAnnounce                              // T6-Serverannounce
)

// timerKey identifies a timer: its kind and what it is about.
type timerKey struct {
	kind timerKind
	id   uint64 // peer, connection or target
	handlespace.Key
}

func elementTimer(kind timerKind, k handlespace.Key) timerKey { return timerKey{kind: kind, Key: k} }

type timer struct {
	timerKey
	at    time.Time
	seq   uint64 // order of timers for the same instant
	index int
}

// timers is a table of deadlines. Its zero value is empty.
type timers struct {
	byKey map[timerKey]*timer
	heap  timerHeap
	seq   uint64
}

// set arms the timer, again if it runs.
func (t *timers) set(k timerKey, at time.Time) {
	if t.byKey == nil {
		t.byKey = make(map[timerKey]*timer)
	}
	t.seq++
	if e := t.byKey[k]; e != nil {
		e.at, e.seq = at, t.seq
		heap.Fix(&t.heap, e.index)
		return
	}
	e := &timer{timerKey: k, at: at, seq: t.seq}
	t.byKey[k] = e
	heap.Push(&t.heap, e)
}

// earlier arms the timer unless it already runs and ends before that.
func (t *timers) earlier(k timerKey, at time.Time) {
	if e := t.byKey[k]; e == nil || at.Before(e.at) {
		t.set(k, at)
	}
}

func (t *timers) stop(k timerKey) {
	if e := t.byKey[k]; e != nil {
		heap.Remove(&t.heap, e.index)
		delete(t.byKey, k)
	}
}

func (t *timers) running(k timerKey) bool { return t.byKey[k] != nil }

func (t *timers) next() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

// expired takes out the first timer that has ended by now.
func (t *timers) expired(now time.Time) (timerKey, bool) {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return timerKey{}, false
	}
	e := heap.Pop(&t.heap).(*timer)
	delete(t.byKey, e.timerKey)
	return e.timerKey, true
}

// postpone moves all timers that measure silence by d. When this process was
// stopped or starved, answers wait unread: what looks like the silence of others
// was its own.
func (t *timers) postpone(d time.Duration) {
	for _, e := range t.heap {
		if e.kind < timerSilent {
			e.at = e.at.Add(d)
		}
	}
	heap.Init(&t.heap)
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	e := x.(*timer)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *timerHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
