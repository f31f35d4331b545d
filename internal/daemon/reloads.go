package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reloads counts how often a configuration was read again, for Prometheus.
type Reloads struct {
	total    *prometheus.CounterVec
	ok, last prometheus.Gauge
}

// NewReloads returns counters that say that the configuration of the start was read
// just now.
func NewReloads() *Reloads {
	r := &Reloads{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rserpool_config_reloads_total", Help: "Times the configuration was read again, by result."}, []string{"result"}),
		ok: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rserpool_config_last_reload_successful", Help: "1 if the last attempt to read the configuration was successful."}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rserpool_config_last_reload_success_timestamp_seconds", Help: "When the configuration that is in use was read."}),
	}
	for _, result := range []string{"ok", "failed"} {
		r.total.WithLabelValues(result) // there from the start, with 0
	}
	r.ok.Set(1)
	r.last.SetToCurrentTime()
	return r
}

// Done notes an attempt at the given time, and why it failed if it did.
func (r *Reloads) Done(at time.Time, err error) {
	if err != nil {
		r.total.WithLabelValues("failed").Inc()
		r.ok.Set(0)
		return
	}
	r.total.WithLabelValues("ok").Inc()
	r.ok.Set(1)
	r.last.Set(float64(at.UnixNano()) / 1e9)
}

// Describe sends the descriptions of all metrics.
func (r *Reloads) Describe(ch chan<- *prometheus.Desc) {
	r.total.Describe(ch)
	r.ok.Describe(ch)
	r.last.Describe(ch)
}

// Collect sends their values.
func (r *Reloads) Collect(ch chan<- prometheus.Metric) {
	r.total.Collect(ch)
	r.ok.Collect(ch)
	r.last.Collect(ch)
}
