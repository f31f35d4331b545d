package daemon

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rserpool/rserpool/sctp"
)

// StackHandler serves the counters of an SCTP stack to Prometheus at /metrics.
func StackHandler(s *sctp.Stack) http.Handler { return registryHandler(stackRegistry(s)) }

func stackRegistry(s *sctp.Stack) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(StackCollector(s.Stats), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func registryHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// StackCollector collects the counters of an SCTP stack. The names follow the objects
// of the SCTP MIB (RFC 3873); docs/rfc/3873.md maps one to the other.
func StackCollector(stats func() sctp.StackStats) prometheus.Collector { return stackCollector(stats) }

type stackCollector func() sctp.StackStats

// Describe makes the collector an unchecked one: what it collects is always the same.
func (stackCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters once and sends them.
func (c stackCollector) Collect(ch chan<- prometheus.Metric) {
	st := c()
	for _, m := range stackMetrics {
		ch <- m.of(&st)
	}
}

// stackMetric is one number of a stack.
type stackMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*sctp.StackStats) float64
}

func (m *stackMetric) of(st *sctp.StackStats) prometheus.Metric {
	return prometheus.MustNewConstMetric(m.desc, m.kind, m.value(st))
}

// number is what counters are made of.
type number interface{ ~int | ~int64 | ~uint64 }

func gauge[N number](name, help string, value func(*sctp.StackStats) N, labels ...string) stackMetric {
	return newStackMetric(prometheus.GaugeValue, name, help, value, labels)
}

func counter[N number](name, help string, value func(*sctp.StackStats) N, labels ...string) stackMetric {
	return newStackMetric(prometheus.CounterValue, name+"_total", help, value, labels)
}

// newStackMetric makes a metric with constant labels, which are names and values in
// turn.
func newStackMetric[N number](kind prometheus.ValueType, name, help string, value func(*sctp.StackStats) N, labels []string) stackMetric {
	all := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		all[labels[i]] = labels[i+1]
	}
	return stackMetric{
		desc: prometheus.NewDesc("sctp_"+name, help, nil, all), kind: kind,
		value: func(st *sctp.StackStats) float64 { return float64(value(st)) },
	}
}

type stats = sctp.StackStats

const (
	helpOpened     = "Associations that were established, by who began."
	helpEnded      = "Associations that ended, by how; dials that failed are among the failed."
	helpPaths      = "Addresses of peers by their state."
	helpPackets    = "SCTP packets by direction."
	helpBytes      = "Bytes of SCTP packets by direction."
	helpChunks     = "Chunks of associations by direction and kind; of DATA first transmissions, without duplicates."
	helpRtx        = "Chunks sent again, by why."
	helpMessages   = "User messages by direction."
	helpUserBytes  = "User data by direction, in bytes."
	helpTimers     = "Expiries of timers: t1 of the handshake, t2 of the shutdown, t3 of data."
	helpDropped    = "Packets and chunks that were dropped, by why."
	helpICMP       = "ICMP messages, by what became of them."
	helpIOErrors   = "Errors of reading and writing datagrams."
	helpSplit      = "User messages in more than one chunk, by direction."
	helpEchoes     = "ECNE chunks by direction."
	helpBuffers    = "Smallest socket buffer that the operating system granted."
	helpSuppressed = "Answers and associations that limits suppressed."
)

// stackMetrics is what Prometheus gets of a stack.
var stackMetrics = []stackMetric{
	gauge("associations", "Associations, those being set up included.", func(s *stats) int { return s.Associations }),
	gauge("associations_established", "Associations that are established (sctpCurrEstab).", func(s *stats) int { return s.Established }),
	gauge("paths", helpPaths, func(s *stats) int { return s.Paths.Active }, "state", "active"),
	gauge("paths", helpPaths, func(s *stats) int { return s.Paths.Inactive }, "state", "inactive"),
	gauge("paths", helpPaths, func(s *stats) int { return s.Paths.Unconfirmed }, "state", "unconfirmed"),
	gauge("paths", helpPaths, func(s *stats) int { return s.Paths.PotentiallyFailed }, "state", "potentially-failed"),

	counter("associations_dialed", "Associations that this end began to open.", func(s *stats) int64 { return s.Dialed }),
	counter("associations_opened", helpOpened, func(s *stats) int64 { return s.Connected }, "by", "us"),
	counter("associations_opened", helpOpened, func(s *stats) int64 { return s.Accepted }, "by", "peer"),
	counter("associations_ended", helpEnded, func(s *stats) int64 { return s.Closed }, "how", "shutdown"),
	counter("associations_ended", helpEnded, func(s *stats) int64 { return s.Aborted }, "how", "abort"),
	counter("associations_ended", helpEnded, func(s *stats) int64 { return s.Failed - s.Aborted }, "how", "failed"),
	counter("associations_restarted", "Restarts of peers.", func(s *stats) uint64 { return s.Totals.Restarts }),

	counter("packets", helpPackets, func(s *stats) int64 { return s.PacketsIn }, "direction", "in"),
	counter("packets", helpPackets, func(s *stats) int64 { return s.PacketsOut }, "direction", "out"),
	counter("bytes", helpBytes, func(s *stats) int64 { return s.BytesIn }, "direction", "in"),
	counter("bytes", helpBytes, func(s *stats) int64 { return s.BytesOut }, "direction", "out"),
	counter("out_of_blue", "Packets of no association (sctpOutOfBlues).", func(s *stats) int64 { return s.OutOfBlue }),
	counter("handshake_packets", "Packets of no association that begin one.", func(s *stats) int64 { return s.Strays - s.OutOfBlue }),
	counter("replies", "Answers to packets of no association.", func(s *stats) int64 { return s.Replies }),

	counter("chunks", helpChunks, func(s *stats) uint64 { return s.Totals.ControlIn + uint64(s.StrayChunks) }, "direction", "in", "kind", "control"),
	counter("chunks", helpChunks, func(s *stats) uint64 { return s.Totals.DataIn - s.Totals.UnorderedIn }, "direction", "in", "kind", "ordered"),
	counter("chunks", helpChunks, func(s *stats) uint64 { return s.Totals.UnorderedIn }, "direction", "in", "kind", "unordered"),
	counter("chunks", helpChunks, func(s *stats) uint64 {
		first := s.Totals.ControlOut - min(s.Totals.ControlRetransmitted, s.Totals.ControlOut)
		return first + uint64(s.Replies)
	}, "direction", "out", "kind", "control"),
	counter("chunks", helpChunks, func(s *stats) uint64 { return s.Totals.DataOut - s.Totals.UnorderedOut }, "direction", "out", "kind", "ordered"),
	counter("chunks", helpChunks, func(s *stats) uint64 { return s.Totals.UnorderedOut }, "direction", "out", "kind", "unordered"),
	counter("chunks_duplicate", "DATA chunks received twice.", func(s *stats) uint64 { return s.Totals.DuplicatesIn }),
	counter("chunks_retransmitted", helpRtx, func(s *stats) uint64 { return s.Totals.FastRetransmits }, "why", "gap"),
	counter("chunks_retransmitted", helpRtx, func(s *stats) uint64 { return s.Totals.T3Chunks }, "why", "t3"),
	counter("chunks_retransmitted", helpRtx, func(s *stats) uint64 { return s.Totals.LossProbes }, "why", "probe"),
	counter("chunks_retransmitted", helpRtx, func(s *stats) uint64 { return s.Totals.ControlRetransmitted }, "why", "control"),

	counter("messages", helpMessages, func(s *stats) uint64 { return s.Totals.MessagesIn }, "direction", "in"),
	counter("messages", helpMessages, func(s *stats) uint64 { return s.Totals.MessagesOut }, "direction", "out"),
	counter("messages_split", helpSplit, func(s *stats) uint64 { return s.Totals.ReassembledIn }, "direction", "in"),
	counter("messages_split", helpSplit, func(s *stats) uint64 { return s.Totals.FragmentedOut }, "direction", "out"),
	counter("user_bytes", helpUserBytes, func(s *stats) uint64 { return s.Totals.BytesIn }, "direction", "in"),
	counter("user_bytes", helpUserBytes, func(s *stats) uint64 { return s.Totals.BytesOut }, "direction", "out"),

	counter("timer_expiries", helpTimers, func(s *stats) uint64 { return s.Totals.T1Expirations }, "timer", "t1"),
	counter("timer_expiries", helpTimers, func(s *stats) uint64 { return s.Totals.T2Expirations }, "timer", "t2"),
	counter("timer_expiries", helpTimers, func(s *stats) uint64 { return s.Totals.T3Expirations }, "timer", "t3"),

	counter("dropped", helpDropped, func(s *stats) int64 { return s.BadChecksum }, "why", "checksum"),
	counter("dropped", helpDropped, func(s *stats) int64 { return s.Malformed }, "why", "malformed"),
	counter("dropped", helpDropped, func(s *stats) uint64 { return s.Totals.Dropped }, "why", "invalid"),
	counter("dropped", helpDropped, func(s *stats) uint64 { return s.Totals.NoRoom }, "why", "no-room"),
	counter("suppressed", helpSuppressed, func(s *stats) int64 { return s.RateLimited }, "what", "reply"),
	counter("suppressed", helpSuppressed, func(s *stats) int64 { return s.Refused }, "what", "association"),
	counter("icmp", helpICMP, func(s *stats) uint64 { return s.Totals.ICMPIn }, "what", "used"),
	counter("icmp", helpICMP, func(s *stats) uint64 { return s.Totals.ICMPIgnored }, "what", "ignored"),
	counter("icmp", helpICMP, func(s *stats) int64 { return s.ICMPStrays }, "what", "stray"),
	counter("congestion_echoes", helpEchoes, func(s *stats) uint64 { return s.Totals.EchoesIn }, "direction", "in"),
	counter("congestion_echoes", helpEchoes, func(s *stats) uint64 { return s.Totals.EchoesOut }, "direction", "out"),
	counter("windows_marked", "Congestion windows reduced for a mark.", func(s *stats) uint64 { return s.Totals.MarkedWindows }),
	counter("mtu_probes", "Packets sent to try a size.", func(s *stats) uint64 { return s.Totals.MTUProbes }),
	counter("mtu_black_holes", "Times that a size which had passed did no longer.", func(s *stats) uint64 { return s.Totals.BlackHoles }),
	counter("source_changes", "Paths whose source address was replaced.", func(s *stats) uint64 { return s.Totals.SourceChanges }),

	gauge("socket_buffer_bytes", helpBuffers, func(s *stats) int { return s.RecvBuffer }, "direction", "in"),
	gauge("socket_buffer_bytes", helpBuffers, func(s *stats) int { return s.SendBuffer }, "direction", "out"),
	counter("io_errors", helpIOErrors, func(s *stats) int64 { return s.ReadErrors }, "direction", "in"),
	counter("io_errors", helpIOErrors, func(s *stats) int64 { return s.SendErrors }, "direction", "out"),
}
