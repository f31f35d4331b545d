package registrar

import (
	"slices"
	"strings"
	"time"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// journalLen is how many events of each sort are remembered.
const journalLen = 100

// EventStatus is something that happened lately.
type EventStatus struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	// Grave says that somebody may want to look into it.
	Grave bool `json:"grave,omitempty"`
	// Element says that it concerns an element and not a registrar.
	Element bool `json:"element,omitempty"`
	// Text says what happened in one line, printable characters only.
	Text string `json:"text"`
}

// journal remembers what happened lately: events of registrars apart from those of
// elements, of which there may be many.
type journal struct {
	registrars, elements ring
	counts               map[core.EventKind]uint64
}

// entry is an event and its time.
type entry struct {
	at time.Time
	ev core.Event
}

// ring keeps the newest events.
type ring struct {
	events []entry
	next   int
}

func (r *ring) add(e entry) {
	if len(r.events) < journalLen {
		r.events = append(r.events, e)
		return
	}
	r.events[r.next] = e
	r.next = (r.next + 1) % journalLen
}

// add notes an event.
func (j *journal) add(now time.Time, e *core.Event) {
	if j.counts == nil {
		j.counts = map[core.EventKind]uint64{}
	}
	j.counts[e.Kind]++
	en := entry{now, *e}
	if e.Handle == "" {
		j.registrars.add(en)
		return
	}
	en.ev.Handle = rserpool.PoolHandle(strings.Clone(string(e.Handle))) // may be part of a long message
	j.elements.add(en)
}

// recent returns the events, the newest first.
func (j *journal) recent() []EventStatus {
	all := slices.Concat(j.registrars.ordered(), j.elements.ordered())
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	slices.Reverse(all)
	out := make([]EventStatus, len(all))
	for i, e := range all {
		out[i] = EventStatus{At: e.at, Kind: e.ev.Kind.String(), Grave: grave(e.ev.Kind), Element: e.ev.Handle != "", Text: printable(sentence(&e.ev))}
	}
	return out
}

// ordered returns the events, the oldest first.
func (r *ring) ordered() []entry { return slices.Concat(r.events[r.next:], r.events[:r.next]) }

// grave reports whether events of a kind are a reason to look.
func grave(k core.EventKind) bool {
	switch k {
	case core.EventPeerSuspect, core.EventPeerDown, core.EventResync, core.EventTakeoverStarted, core.EventTakeover,
		core.EventTakenOver, core.EventElementUnresponsive, core.EventRefused, core.EventRejected, core.EventRemoteError:
		return true
	}
	return false
}

// EventCounts returns how often each kind of event has happened.
func (r *Registrar) EventCounts() map[core.EventKind]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[core.EventKind]uint64, len(core.EventKinds()))
	for _, k := range core.EventKinds() {
		out[k] = r.journal.counts[k]
	}
	return out
}
