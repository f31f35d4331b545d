package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/handlespace"
)

// report is that somebody could not reach an element.
type report struct {
	from netip.Addr // the source
	at   time.Time
}

// unreachable handles an ASAP_ENDPOINT_UNREACHABLE (RFC 5352 §3.5): the element is
// asked by keep-alive at once, and removed if it does not answer. If it does, the
// report is counted; more than MAX-BAD-PE-REPORT distinct sources within the window
// remove the element although it answers, since it may have lost its service
// and not its ASAP endpoint. One source alone cannot do that however often
// it reports (RFC 5355 §2.13).
func (r *Registrar) unreachable(now time.Time, c *conn, m *asap.EndpointUnreachable) {
	if !r.allows(OpReport, c, m.Handle) || !r.withinRate(now, OpReport, r.limits.Reports, c, m.Handle) {
		return
	}
	r.stats.Reports++
	k := handlespace.Key{Handle: m.Handle, ID: m.PEID}
	el, ok := r.lookup(k)
	if !ok {
		return
	}
	if el.Home != r.id {
		if el.ASAP != nil {
			r.verify(now, k)
		}
		return
	}
	e := r.entryOf(k)
	r.countReport(now, e, r.sourceOf(c))
	if len(e.reports) > r.profile.MaxBadReports {
		e.condemned = true
	}
	switch {
	case e.conn != 0:
		r.sendKeepAlive(now, e)
	case e.condemned:
		r.remove(now, e, "reported unreachable")
	default:
		r.reach(now, e) // it is being looked for anyway
	}
}

// countReport adds a report and forgets old ones. The list holds one report of
// each source and no more than matter.
func (r *Registrar) countReport(now time.Time, e *entry, from netip.Addr) {
	e.reports = slices.DeleteFunc(e.reports, func(p report) bool {
		return p.from == from || now.Sub(p.at) > r.profile.ReportWindow
	})
	if len(e.reports) <= r.profile.MaxBadReports {
		e.reports = append(e.reports, report{from: from, at: now})
	}
}

// verify asks an element of another registrar for a sign of life: over an
// association of its own, which is closed again. Without an answer the element is
// not offered any more, until its home removes it or insists on it.
func (r *Registrar) verify(now time.Time, k handlespace.Key) {
	e := r.entryOf(k)
	if e.conn != 0 {
		r.sendKeepAlive(now, e)
		return
	}
	if r.timers.running(elementTimer(timerLink, k)) {
		return // under way, or just done
	}
	e.verifying = true
	r.timers.set(elementTimer(timerLink, k), now.Add(r.profile.LinkGrace))
	r.reach(now, e)
}
