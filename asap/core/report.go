package core

import (
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// report is an ASAP_ENDPOINT_UNREACHABLE to be sent or sent lately.
type report struct {
	handle rserpool.PoolHandle
	id     rserpool.PEID
	until  time.Time // dropped if it could not be sent; forgotten if it was
}

// reports are those of RFC 5352 §3.5.
type reports struct {
	waiting []report // for a home registrar
	recent  []report // to not repeat them
}

// ReportUnreachable tells a registrar that an element cannot be reached, and
// takes it out of the cache. A report about the same element shortly after
// another one is not sent: an endpoint "MUST report no more than once each time
// it encounters such an event" (RFC 5352 §3.5), and registrars count reports.
func (e *Endpoint) ReportUnreachable(now time.Time, h rserpool.PoolHandle, id rserpool.PEID) {
	e.cache.suspect(h, id)
	q := &e.reports
	q.expire(now)
	same := func(r report) bool { return r.handle == h && r.id == id }
	if slices.ContainsFunc(q.recent, same) || slices.ContainsFunc(q.waiting, same) || len(q.waiting) >= maxReports {
		return
	}
	q.waiting = append(q.waiting, report{handle: h, id: id, until: now.Add(e.profile.RetransMax)})
	if len(q.recent) >= maxRecent {
		q.recent = slices.Delete(q.recent, 0, 1)
	}
	q.recent = append(q.recent, report{handle: h, id: id, until: now.Add(e.profile.ReportInterval)})
	e.settle(now)
}

// sendReports sends what waited. The reports are not answered.
func (e *Endpoint) sendReports() {
	for _, r := range e.reports.waiting {
		e.send(e.links.home, &asap.EndpointUnreachable{Handle: r.handle, PEID: r.id})
	}
	e.reports.waiting = e.reports.waiting[:0]
}

func (q *reports) expire(now time.Time) {
	old := func(r report) bool { return due(r.until, now) }
	q.waiting = slices.DeleteFunc(q.waiting, old)
	q.recent = slices.DeleteFunc(q.recent, old)
}

// nextDeadline lets a report that nobody can be told end its hunt.
func (q *reports) nextDeadline() time.Time {
	var t time.Time
	for _, r := range q.waiting {
		t = earliest(t, r.until)
	}
	return t
}
