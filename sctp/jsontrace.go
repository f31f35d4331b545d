package sctp

import (
	"encoding/json"
	"io"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/rserpool/rserpool/sctp/internal/spool"
	"github.com/rserpool/rserpool/sctp/wire"
)

// JSONTrace writes what happens inside the associations of a stack, see
// StackConfig.Trace, one JSON object a line:
//
//	{"time":"2026-01-31T12:00:00.000000000Z","assoc":1,"kind":"state","from":"COOKIE-WAIT","to":"COOKIE-ECHOED"}
//
// "assoc" is AssociationInfo.ID. By "kind" there follow
//
//	open    local, remote: addresses; dialed
//	state   from, to
//	in, out peer: address and UDP port; len: bytes; ecn, if not 0; chunks: a list of
//	        type and len, and what matters of their fields
//	drop    why: the packet before, or a chunk of it, was ignored
//	rtx     tsn: sent again; fast: after gap reports
//	t3      path: T3-rtx expired
//	path    path, state: active, inactive, …
//	window  path, cwnd, flight, srtt_us, rttvar_us, rto_us, pmtu: one of them changed
//	icmp    path, what, mtu: an ICMP message about a packet, to be believed or not
//	fail    cause, why: this end aborts because the peer broke the protocol
//	end     error, if it did not end gracefully; counters of the association
//	lost    count: so many lines are missing before this one
//
// Nothing secret is in it: no verification tags, cookies, keys, nonces, user data.
//
// Stacks never wait for the writer: lines that do not fit the buffer because it is slow
// are dropped and counted. The methods may be called by several goroutines at once.
type JSONTrace struct {
	o     JSONTraceOptions
	spool *spool.Spool

	closing sync.Once
	err     error // of Close
}

// JSONTraceOptions is what a JSONTrace writes. The zero value, and nil, take the
// defaults.
type JSONTraceOptions struct {
	// OmitPackets leaves the kinds in and out away, which are most of the lines.
	OmitPackets bool
	// Buffer is how many bytes may wait to be written. Zero: 4 MiB.
	Buffer int
}

const defaultTraceBuffer = 4 << 20

// NewJSONTrace returns a trace that goes to w, nil: nowhere. Close it after the stacks that use it;
// that does not close w.
func NewJSONTrace(w io.Writer, o *JSONTraceOptions) *JSONTrace {
	if o == nil {
		o = &JSONTraceOptions{}
	}
	if w == nil {
		w = io.Discard
	}
	t := &JSONTrace{o: *o}
	if t.o.Buffer <= 0 {
		t.o.Buffer = defaultTraceBuffer
	}
	t.spool = spool.New(w, t.o.Buffer)
	return t
}

// Dropped returns how many lines are missing.
func (t *JSONTrace) Dropped() uint64 { return t.spool.Dropped() }

// Close writes what waits. What still comes is dropped. The error is the first of the
// underlying writer. Close is idempotent.
func (t *JSONTrace) Close() error {
	t.closing.Do(func() { t.err = t.spool.Close() })
	return t.err
}

// line writes one line; fields appends what follows the kind.
func (t *JSONTrace) line(id uint32, kind string, fields func(jsonLine) jsonLine) {
	now := time.Now()
	t.spool.Add(func(b []byte, lost uint64) []byte {
		if lost > 0 {
			b = append(appendTime(b, now), `"kind":"lost"`...)
			b = append(jsonLine(b).count("count", lost), "}\n"...)
		}
		l := jsonLine(append(appendTime(b, now), `"assoc":`...))
		l = strconv.AppendUint(l, uint64(id), 10)
		return append(fields(l.text("kind", kind)), "}\n"...)
	})
}

// appendTime begins a line.
func appendTime(b []byte, now time.Time) []byte {
	b = append(b, `{"time":"`...)
	b = now.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
	return append(b, `",`...)
}

func (t *JSONTrace) open(id uint32, local, remote *Addr, dialed bool) {
	t.line(id, "open", func(l jsonLine) jsonLine {
		return l.text("local", local.String()).text("remote", remote.String()).flag("dialed", dialed)
	})
}

func (t *JSONTrace) state(id uint32, from, to string) {
	t.line(id, "state", func(l jsonLine) jsonLine { return l.text("from", from).text("to", to) })
}

func (t *JSONTrace) text(id uint32, kind, key, value string) {
	t.line(id, kind, func(l jsonLine) jsonLine { return l.text(key, value) })
}

func (t *JSONTrace) retransmit(id uint32, tsn wire.TSN, fast bool) {
	t.line(id, "rtx", func(l jsonLine) jsonLine { return l.count("tsn", uint64(tsn)).flag("fast", fast) })
}

func (t *JSONTrace) addr(id uint32, kind string, path netip.AddrPort) {
	t.line(id, kind, func(l jsonLine) jsonLine { return l.addr("path", path) })
}

func (t *JSONTrace) path(id uint32, path netip.AddrPort, state string) {
	t.line(id, "path", func(l jsonLine) jsonLine { return l.addr("path", path).text("state", state) })
}

func (t *JSONTrace) icmp(id uint32, path netip.AddrPort, what string, mtu int) {
	t.line(id, "icmp", func(l jsonLine) jsonLine { return l.addr("path", path).text("what", what).number("mtu", mtu) })
}

func (t *JSONTrace) fail(id uint32, cause, why string) {
	t.line(id, "fail", func(l jsonLine) jsonLine { return l.text("cause", cause).text("why", why) })
}

func (t *JSONTrace) window(id uint32, p *PathInfo) {
	t.line(id, "window", func(l jsonLine) jsonLine {
		return l.addr("path", p.Remote).number("cwnd", p.Cwnd).number("flight", p.InFlight).
			micros("srtt_us", p.SRTT).micros("rttvar_us", p.RTTVar).micros("rto_us", p.RTO).number("pmtu", p.PacketSize)
	})
}

func (t *JSONTrace) end(id uint32, err error, s *Stats) {
	t.line(id, "end", func(l jsonLine) jsonLine {
		if err != nil {
			l = l.text("error", err.Error())
		}
		return l.count("packets_in", s.PacketsIn).count("packets_out", s.PacketsOut).
			count("bytes_in", s.BytesIn).count("bytes_out", s.BytesOut).
			count("retransmitted", s.Retransmitted).count("dropped", s.Dropped)
	})
}

// jsonLine is the begin of a JSON object, to which fields are appended.
type jsonLine []byte

// key begins a field.
func (l jsonLine) key(k string) jsonLine {
	if n := len(l); n > 0 && l[n-1] != '{' {
		l = append(l, ',')
	}
	l = append(l, '"')
	l = append(l, k...)
	return append(l, '"', ':')
}

func (l jsonLine) text(k, v string) jsonLine {
	l = l.key(k)
	for i := range len(v) {
		if c := v[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(v) // a string always can be
			return append(l, quoted...)
		}
	}
	l = append(l, '"')
	l = append(l, v...)
	return append(l, '"')
}

func (l jsonLine) addr(k string, v netip.AddrPort) jsonLine {
	l = v.AppendTo(append(l.key(k), '"'))
	return append(l, '"')
}

func (l jsonLine) number(k string, v int) jsonLine { return strconv.AppendInt(l.key(k), int64(v), 10) }

func (l jsonLine) count(k string, v uint64) jsonLine { return strconv.AppendUint(l.key(k), v, 10) }

// pair appends a list of two numbers.
func (l jsonLine) pair(a, b int) jsonLine {
	l = strconv.AppendInt(append(l, '['), int64(a), 10)
	return append(strconv.AppendInt(append(l, ','), int64(b), 10), ']')
}

func (l jsonLine) flag(k string, v bool) jsonLine { return strconv.AppendBool(l.key(k), v) }

func (l jsonLine) micros(k string, v time.Duration) jsonLine {
	return strconv.AppendInt(l.key(k), v.Microseconds(), 10)
}
