package daemon

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
)

// MaxSeries is how many pools, elements and peers have series of their own, each: beyond
// that rserpool_series_omitted tells how many are missing. Sums are always complete.
const MaxSeries = 1000

// RegistrarMetrics serves the state of a registrar to Prometheus. The names follow
// the objects of the RSerPool MIB (RFC 5525) where it has them; docs/rfc/5525.md maps one
// to the other. more are served as well.
func RegistrarMetrics(r *registrar.Registrar, more ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(more...)
	registry.MustRegister(RegistrarCollector(r), StackCollector(r.StackStats), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// RegistrarCollector collects the state of a registrar.
func RegistrarCollector(r *registrar.Registrar) prometheus.Collector { return registrarCollector{r} }

type registrarCollector struct{ r *registrar.Registrar }

// Describe makes the collector an unchecked one: pools and elements come and go.
func (registrarCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state once and sends it.
func (c registrarCollector) Collect(ch chan<- prometheus.Metric) {
	m := &scrape{ch: ch, now: time.Now(), descs: registrarDescs}
	s := c.r.Snapshot()
	m.registrar(c.r, &s)
	m.counters(c.r, &s)
	m.pools(s.Pools)
	m.peers(s.Peers)
}

// metric describes what has a name: its help text and its labels.
type metric struct {
	help   string
	labels []string
}

// scrape is one collection.
type scrape struct {
	ch    chan<- prometheus.Metric
	now   time.Time
	descs map[string]*prometheus.Desc
}

// describe makes the descriptions of metrics.
func describe(all map[string]metric) map[string]*prometheus.Desc {
	out := make(map[string]*prometheus.Desc, len(all))
	for name, m := range all {
		out[name] = prometheus.NewDesc("rserpool_"+name, m.help, m.labels, nil)
	}
	return out
}

func (m *scrape) gauge(name string, v float64, labels ...string) {
	m.ch <- prometheus.MustNewConstMetric(m.descs[name], prometheus.GaugeValue, v, labels...)
}

func (m *scrape) counter(name string, v uint64, labels ...string) {
	m.ch <- prometheus.MustNewConstMetric(m.descs[name], prometheus.CounterValue, float64(v), labels...)
}

// histogram sends times in seconds.
func (m *scrape) histogram(name string, count uint64, sum time.Duration, buckets map[time.Duration]uint64, labels ...string) {
	b := make(map[float64]uint64, len(buckets))
	for le, n := range buckets {
		b[le.Seconds()] = n
	}
	m.ch <- prometheus.MustNewConstHistogram(m.descs[name], count, sum.Seconds(), b, labels...)
}

// omitted tells how many of n things have no series of their own, and returns how many have.
func (m *scrape) omitted(what string, n int) int {
	m.gauge("series_omitted", float64(max(n-MaxSeries, 0)), what)
	return min(n, MaxSeries)
}

// registrar sends what is about the registrar itself: rserpoolENRPTable.
func (m *scrape) registrar(r *registrar.Registrar, s *core.Snapshot) {
	asap, enrp := r.Addrs()
	scope, description := r.Labels()
	m.gauge("registrar_info", 1, s.ID.String(), label(scope), label(description), r.Profile().Name, digits(asap.Port), digits(enrp.Port), digits(enrp.UDPPort))
	m.gauge("registrar_uptime_seconds", m.now.Sub(s.Started).Seconds())
	m.gauge("registrar_ready", flag(s.Ready))
	m.gauge("owned_elements", float64(s.Owned))
	m.gauge("connections", float64(s.Connections))
	for _, ip := range enrp.IPs {
		m.gauge("registrar_address_info", 1, family(ip), ip.WithZone("").String())
	}
	for _, ch := range []core.Channel{core.ASAP, core.ENRP} {
		m.roundTrips(ch.String(), r.RoundTrips(ch))
	}
	toEndpoints, toRegistrars := r.Groups()
	m.groups(core.ASAP, toEndpoints)
	m.groups(core.ENRP, toRegistrars)
}

// groups are the multicast groups of a channel.
func (m *scrape) groups(ch core.Channel, list []netip.AddrPort) {
	for _, g := range list {
		m.gauge("announce_group_info", 1, ch.String(), family(g.Addr()), g.Addr().String(), digits(g.Port()))
	}
}

// flag is 1 for true.
func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// since is the seconds since t, -1 if it never was.
func since(now, t time.Time) float64 {
	if t.IsZero() {
		return -1
	}
	return now.Sub(t).Seconds()
}

// label makes any bytes valid UTF-8, which labels must be, and not too long.
func label(s string) string {
	const most = 128
	q := fmt.Sprintf("%+q", s)
	q = q[1 : len(q)-1]
	if len(q) > most {
		return q[:most] + "…" + digest(s) // the ellipsis is escaped where it is part of s
	}
	return q
}
