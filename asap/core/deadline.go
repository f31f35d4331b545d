package core

import "time"

// earliest returns the earlier of two times, of which a zero one means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due reports whether a deadline is set and reached.
func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// dated is something that has a deadline, or none: the zero time.
type dated interface{ when() time.Time }

func (m *member) when() time.Time  { return m.deadline }
func (r *request) when() time.Time { return r.deadline }

// nextDeadline is the earliest of a list.
func nextDeadline[T dated](list []T) (t time.Time) {
	for _, d := range list {
		t = earliest(t, d.when())
	}
	return t
}

// firstDue is the first of a list whose deadline is reached; false if there is none.
func firstDue[T dated](list []T, now time.Time) (d T, ok bool) {
	for _, d := range list {
		if due(d.when(), now) {
			return d, true
		}
	}
	return d, false
}
