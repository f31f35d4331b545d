package daemon

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rserpool/rserpool/registrar"
)

// RegistrarMetrics serves the state of a registrar to Prometheus. The names follow
// the objects of the RSerPool MIB (RFC 5525) where it has them. more are served as well.
func RegistrarMetrics(r *registrar.Registrar, more ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(more...)
	registry.MustRegister(newMetrics(r), StackCollector(r.StackStats), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// metrics collects the registrar's state when it is scraped.
type metrics struct {
	r    *registrar.Registrar
	desc map[string]*prometheus.Desc
}

func newMetrics(r *registrar.Registrar) *metrics {
	m := &metrics{r: r, desc: map[string]*prometheus.Desc{}}
	for name, d := range map[string]struct {
		help   string
		labels []string
	}{
		"registrar_info":               {"The registrar; always 1.", []string{"id"}},
		"registrar_uptime_seconds":     {"Seconds since the start.", nil},
		"registrar_ready":              {"1 if the start-up has ended.", nil},
		"pools":                        {"Pools in the handlespace.", nil},
		"pool_elements":                {"Elements by pool.", []string{"pool"}},
		"owned_elements":               {"Elements this registrar is the home of.", nil},
		"connections":                  {"SCTP associations with elements, users and registrars.", nil},
		"pe_info":                      {"A pool element; always 1.", []string{"pool", "pe", "home", "proto", "policy"}},
		"pe_load_ratio":                {"Load of an element, 0 to 1.", []string{"pool", "pe"}},
		"pe_weight":                    {"Weight of an element.", []string{"pool", "pe"}},
		"pe_registration_life":         {"Registration life as on the wire.", []string{"pool", "pe"}},
		"pe_reports":                   {"Hosts that lately found the element unreachable.", []string{"pool", "pe"}},
		"peer_last_heard_seconds":      {"Seconds since a peer was heard.", []string{"peer", "state"}},
		"peer_elements":                {"Elements a peer is the home of.", []string{"peer"}},
		"registrations_total":          {"Registrations of new elements.", nil},
		"reregistrations_total":        {"Registrations of known elements.", nil},
		"deregistrations_total":        {"Deregistrations.", nil},
		"registrations_rejected_total": {"Registrations and deregistrations refused.", nil},
		"elements_removed_total":       {"Elements removed, for whatever reason.", nil},
		"handle_resolutions_total":     {"Handle resolutions by result.", []string{"result"}},
		"unreachable_reports_total":    {"Reports of unreachable elements.", nil},
		"keep_alives_sent_total":       {"Keep-alives sent to elements.", nil},
		"keep_alive_timeouts_total":    {"Keep-alives not acknowledged in time.", nil},
		"handle_updates_total":         {"Handle updates by direction.", []string{"direction"}},
		"resyncs_total":                {"Tables fetched because checksums differed.", nil},
		"takeovers_total":              {"Takeovers by outcome.", []string{"outcome"}},
		"rate_limited_total":           {"Requests beyond the allowed rate.", nil},
		"decode_errors_total":          {"Messages that could not be decoded.", nil},
		"peer_messages_refused_total":  {"Things peers asked that they may not do.", nil},
	} {
		m.desc[name] = prometheus.NewDesc("rserpool_"+name, d.help, d.labels, nil)
	}
	return m
}

// Describe sends the descriptions of all metrics.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range m.desc {
		ch <- d
	}
}

// Collect reads the state once and sends it.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.r.Snapshot()
	now := time.Now()
	gauge := func(name string, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.desc[name], prometheus.GaugeValue, v, labels...)
	}
	counter := func(name string, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.desc[name], prometheus.CounterValue, float64(v), labels...)
	}
	gauge("registrar_info", 1, s.ID.String())
	gauge("registrar_uptime_seconds", now.Sub(s.Started).Seconds())
	gauge("registrar_ready", flag(s.Ready))
	gauge("pools", float64(len(s.Pools)))
	gauge("owned_elements", float64(s.Owned))
	gauge("connections", float64(s.Connections))
	for _, p := range s.Pools {
		pool := label(string(p.Handle))
		gauge("pool_elements", float64(len(p.Elements)), pool)
		for _, e := range p.Elements {
			pe := e.ID.String()
			gauge("pe_info", 1, pool, pe, e.Home.String(), e.User.Protocol.String(), e.Policy.Type.String())
			gauge("pe_load_ratio", float64(e.Policy.Load)/float64(1<<32-1), pool, pe)
			gauge("pe_weight", float64(e.Policy.Weight), pool, pe)
			gauge("pe_registration_life", float64(e.Life), pool, pe)
			gauge("pe_reports", float64(e.Reports), pool, pe)
		}
	}
	for _, p := range s.Peers {
		gauge("peer_last_heard_seconds", since(now, p.LastHeard), p.ID.String(), p.State)
		gauge("peer_elements", float64(p.Elements), p.ID.String())
	}
	st := s.Stats
	counter("registrations_total", st.Registrations)
	counter("reregistrations_total", st.Reregistrations)
	counter("deregistrations_total", st.Deregistrations)
	counter("registrations_rejected_total", st.Rejected)
	counter("elements_removed_total", st.Removed)
	counter("handle_resolutions_total", st.Resolutions-st.ResolutionsFailed, "found")
	counter("handle_resolutions_total", st.ResolutionsFailed, "empty")
	counter("unreachable_reports_total", st.Reports)
	counter("keep_alives_sent_total", st.KeepAlivesSent)
	counter("keep_alive_timeouts_total", st.KeepAliveTimeouts)
	counter("handle_updates_total", st.UpdatesSent, "sent")
	counter("handle_updates_total", st.UpdatesReceived, "received")
	counter("resyncs_total", st.Resyncs)
	counter("takeovers_total", st.TakeoversStarted, "started")
	counter("takeovers_total", st.TakeoversWon, "won")
	counter("takeovers_total", st.TakeoversAborted, "aborted")
	counter("rate_limited_total", st.RateLimited)
	counter("decode_errors_total", st.DecodeErrors)
	counter("peer_messages_refused_total", st.Refused)
}

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

// label makes any pool handle valid UTF-8, which labels must be.
func label(s string) string {
	q := fmt.Sprintf("%+q", s)
	return q[1 : len(q)-1]
}
