package tx

import (
	"errors"
	"fmt"

	"github.com/rserpool/rserpool/sctp/core/internal/path"
)

// Verify checks the counters of a queue and of what is outstanding of it against
// the messages and chunks themselves. It is for simulations: it is slow.
func Verify(q *Queue, o *Outstanding, paths []*path.Path) error {
	return errors.Join(verifyChunks(o, paths), verifyMessages(q, o))
}

// same is nil if two numbers are equal.
func same(what string, have, want int) error {
	if have == want {
		return nil
	}
	return fmt.Errorf("%s is %d, should be %d", what, have, want)
}

// verifyChunks looks at the scoreboard alone.
func verifyChunks(o *Outstanding, paths []*path.Path) error {
	var errs []error
	var fates [lost + 1]int
	bytes, firstLost := 0, o.next
	flight, oldest := map[*path.Path]int{}, map[*path.Path]int{}
	for i := range o.Len() {
		t := o.base.Add(uint32(i))
		c := o.At(t)
		fates[c.fate]++
		switch {
		case c.fate == inFlight:
			bytes += int(c.Len)
			if flight[c.Path] == 0 {
				oldest[c.Path] = i
			}
			flight[c.Path] += c.size()
		case c.fate == lost && firstLost == o.next:
			firstLost = t
		}
	}
	errs = append(errs, same("bytes in flight", o.bytes, bytes), same("lost chunks", o.lost, fates[lost]), same("chunks gap-acked", o.gaps, fates[gapAcked]))
	if o.lost > 0 && firstLost.Less(o.hint) {
		errs = append(errs, fmt.Errorf("lost TSN %d lies below the hint %d", firstLost, o.hint))
	}
	for _, p := range paths {
		errs = append(errs, same(fmt.Sprint("flight of path ", p.Remote), p.InFlight, flight[p]))
		if flight[p] > 0 {
			errs = append(errs, same(fmt.Sprint("oldest TSN of path ", p.Remote), int(p.Oldest.Sub(o.base)), oldest[p]))
		}
		delete(flight, p)
	}
	return errors.Join(append(errs, same("paths in use that do not exist", len(flight), 0))...)
}

// verifyMessages adds up the messages that wait and those that chunks belong to.
func verifyMessages(q *Queue, o *Outstanding) error {
	unacked := map[*Message]int{} // bytes in chunks that are outstanding
	var n struct{ bytes, waiting, urgent, timed, begun, held, parked int }
	pending := func(m *Message) {
		if m.hurried() && m.queued {
			n.urgent++
		}
		if !m.Expires().IsZero() {
			n.timed++
		}
	}
	for m := q.head; m != nil; m = m.next {
		unacked[m] = 0
		n.bytes += m.Remaining()
		if !m.started {
			n.waiting++
			pending(m)
		}
	}
	for s, m := range q.parts.open {
		if m.Stream != s || m.ended {
			return fmt.Errorf("message of stream %d is in the place of stream %d, ended %v", m.Stream, s, m.ended)
		}
		if !m.queued && !m.dropped {
			unacked[m] = 0
			n.parked += m.Held() + Overhead
			pending(m)
		}
	}
	for i := range o.Len() {
		c := o.At(o.base.Add(uint32(i)))
		unacked[c.Message()] += int(c.Len)
	}
	var errs []error
	for m, sum := range unacked {
		n.held += m.Held() + Overhead
		if m.started {
			n.begun++
		}
		held, acked, left := 0, 0, 0
		for s := m.head; s != nil; s = s.next {
			held += len(s.data)
			acked += int(s.acked)
			left += len(s.data) - int(s.cut)
		}
		errs = append(errs, same("bytes of a message", m.Held(), held-acked), same("bytes of a message to send", m.Remaining(), left),
			same("unacknowledged bytes of a message", held-acked-left, sum))
	}
	return errors.Join(append(errs, same("bytes queued", q.bytes, n.bytes), same("messages waiting", q.waiting, n.waiting),
		same("urgent messages", int(q.urgent), n.urgent), same("messages with a life time", int(q.timed), n.timed),
		same("messages begun", q.begun, n.begun), same("messages", q.count, len(unacked)),
		same("bytes parked", q.parts.parked, n.parked), same("bytes charged to the send buffer", q.held, n.held))...)
}
