package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rserpool/rserpool/registrar"
)

// snapshots collects how a registrar keeps its elements on disk.
type snapshots struct {
	r                               *registrar.Registrar
	written, last, elements, volume *prometheus.Desc
}

// SnapshotCollector tells Prometheus how a registrar keeps its elements on disk, and
// nothing if it does not.
func SnapshotCollector(r *registrar.Registrar) prometheus.Collector {
	return &snapshots{
		r:        r,
		written:  prometheus.NewDesc("rserpool_snapshot_writes_total", "Times the elements were written to disk, by result.", []string{"result"}, nil),
		last:     prometheus.NewDesc("rserpool_snapshot_timestamp_seconds", "When the elements on disk were right last.", nil, nil),
		elements: prometheus.NewDesc("rserpool_snapshot_elements", "Elements on disk.", nil, nil),
		volume:   prometheus.NewDesc("rserpool_snapshot_bytes", "Their size on disk.", nil, nil),
	}
}

// Describe sends the descriptions of all metrics.
func (s *snapshots) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.written, s.last, s.elements, s.volume} {
		ch <- d
	}
}

// Collect sends their values.
func (s *snapshots) Collect(ch chan<- prometheus.Metric) {
	st, ok := s.r.SnapshotStats()
	if !ok {
		return
	}
	ch <- prometheus.MustNewConstMetric(s.written, prometheus.CounterValue, float64(st.Written), "ok")
	ch <- prometheus.MustNewConstMetric(s.written, prometheus.CounterValue, float64(st.Failed), "failed")
	if !st.Last.IsZero() {
		ch <- prometheus.MustNewConstMetric(s.last, prometheus.GaugeValue, float64(st.Last.UnixNano())/1e9)
	}
	ch <- prometheus.MustNewConstMetric(s.elements, prometheus.GaugeValue, float64(st.Elements))
	ch <- prometheus.MustNewConstMetric(s.volume, prometheus.GaugeValue, float64(st.Bytes))
}
