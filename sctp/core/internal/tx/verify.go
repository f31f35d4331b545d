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
	live := map[*Message]int{} // chunks outstanding
	bytes, waiting := 0, 0
	for m := q.head; m != nil; m = m.next {
		live[m] = 0
		bytes += m.Remaining()
		if !m.Started() {
			waiting++
		}
	}
	for i := range o.Len() {
		live[o.At(o.base.Add(uint32(i))).Msg]++
	}
	held := 0
	var errs []error
	for m, n := range live {
		held += len(m.Data) + Overhead
		errs = append(errs, same("outstanding chunks of a message", m.live, n))
	}
	return errors.Join(append(errs, same("bytes queued", q.bytes, bytes), same("messages waiting", q.waiting, waiting),
		same("messages", q.count, len(live)), same("bytes charged to the send buffer", q.held, held))...)
}
