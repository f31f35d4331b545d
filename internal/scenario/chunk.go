package scenario

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/sctp/wire"
)

// defaultRwnd is the window that the script advertises unless it says otherwise.
const defaultRwnd = 65536

// chunk encodes a chunk given by its name and fields. A tag is returned if the
// chunk wants another one in the packet than the host's.
func (h *host) chunk(f *fields) (b []byte, tag *wire.VTag, err error) {
	name, ok := f.word()
	if !ok {
		return nil, nil, errors.New("no chunk")
	}
	encode := chunks[name]
	if encode == nil {
		return nil, nil, fmt.Errorf("no chunk %q", name)
	}
	b, tag = encode(h, f)
	return b, tag, f.done()
}

// chunks is the chunks that a script can send.
var chunks = map[string]func(*host, *fields) ([]byte, *wire.VTag){
	"DATA":          (*host).data,
	"INIT":          func(h *host, f *fields) ([]byte, *wire.VTag) { return h.init(f, false) },
	"INIT-ACK":      func(h *host, f *fields) ([]byte, *wire.VTag) { return h.init(f, true) },
	"SACK":          (*host).sack,
	"HEARTBEAT":     func(h *host, f *fields) ([]byte, *wire.VTag) { return h.heartbeat(f, false) },
	"HEARTBEAT-ACK": func(h *host, f *fields) ([]byte, *wire.VTag) { return h.heartbeat(f, true) },
	"COOKIE-ECHO":   (*host).cookieEcho,
	"SHUTDOWN":      (*host).shutdown,
	"COOKIE-ACK":    plain(&wire.CookieAck{}),
	"SHUTDOWN-ACK":  plain(&wire.ShutdownAck{}),
	"SHUTDOWN-COMPLETE": func(_ *host, f *fields) ([]byte, *wire.VTag) {
		return (&wire.ShutdownComplete{T: f.flag("T")}).AppendTo(nil), nil
	},
	"ABORT": func(_ *host, f *fields) ([]byte, *wire.VTag) {
		return (&wire.Abort{T: f.flag("T"), Causes: causes(f)}).AppendTo(nil), nil
	},
	"ERROR": func(_ *host, f *fields) ([]byte, *wire.VTag) {
		return (&wire.OperationError{Causes: causes(f)}).AppendTo(nil), nil
	},
	"ECNE": func(h *host, f *fields) ([]byte, *wire.VTag) {
		return (&wire.ECNE{LowestTSN: h.s.names.absolute(f.number("tsn", 1), h.localTag())}).AppendTo(nil), nil
	},
	"CWR": func(h *host, f *fields) ([]byte, *wire.VTag) {
		return (&wire.CWR{LowestTSN: h.s.names.absolute(f.number("tsn", 1), h.remoteTag())}).AppendTo(nil), nil
	},
	"CHUNK": rawChunk,
}

func plain(c wire.Chunk) func(*host, *fields) ([]byte, *wire.VTag) {
	return func(*host, *fields) ([]byte, *wire.VTag) { return c.AppendTo(nil), nil }
}

func (h *host) data(f *fields) ([]byte, *wire.VTag) {
	d := wire.Data{
		TSN:    h.s.names.absolute(f.number("tsn", 1), h.remoteTag()),
		Stream: wire.StreamID(f.number("sid", 0)), SSN: wire.SSN(f.number("ssn", 0)), PPID: wire.PPID(f.number("ppid", 0)),
	}
	d.Payload = make([]byte, f.number("len", 10))
	if text, ok := f.value("text"); ok {
		d.Payload = []byte(text)
	}
	if flags, ok := f.word(); ok {
		if strings.Trim(flags, "IUBE") != "" {
			f.err = fmt.Errorf("flags %q", flags)
		}
		d.Immediate, d.Unordered = strings.Contains(flags, "I"), strings.Contains(flags, "U")
		d.Begin, d.End = strings.Contains(flags, "B"), strings.Contains(flags, "E")
	}
	return d.AppendTo(nil), nil
}

func (h *host) init(f *fields, ack bool) ([]byte, *wire.VTag) {
	i := wire.Init{
		Ack: ack, ARwnd: uint32(f.number("rwnd", defaultRwnd)),
		OutStreams: uint16(f.number("os", 10)), InStreams: uint16(f.number("mis", 10)),
		InitialTSN: wire.TSN(f.number("tsn", 1000)),
	}
	name, ok := f.value("tag")
	if !ok {
		name = "P1"
	}
	i.InitiateTag = h.s.names.tag(name)
	if i.InitiateTag != 0 {
		h.peerTag = i.InitiateTag
		h.s.names.first[i.InitiateTag] = i.InitialTSN
	}
	if ack {
		n := f.number("cookie", 100)
		i.Cookie, i.HasCookie = make([]byte, max(n, 0)), n >= 0
	}
	var err error
	if i.Addrs, err = f.addrs("addrs"); err != nil {
		f.err = err
	}
	for _, t := range f.list("types") {
		i.SupportedAddrTypes = append(i.SupportedAddrTypes, wire.ParamType(t))
	}
	if n := f.number("preservative", -1); n >= 0 {
		i.CookiePreservative, i.HasPreservative = uint32(n), true
	}
	i.ECN = f.flag("ecn")
	// Parameters of any kind, in hex.
	for v, more := f.value("param"); more; v, more = f.value("param") {
		p, err := hex.DecodeString(v)
		if err != nil {
			f.err = err
		}
		i.Extra = append(i.Extra, p...)
	}
	var tag *wire.VTag
	if !ack {
		tag = new(wire.VTag)
	}
	return i.AppendTo(nil), tag
}

func (h *host) sack(f *fields) ([]byte, *wire.VTag) {
	s := wire.Sack{
		CumTSN: h.s.names.absolute(f.number("cum", 0), h.localTag()),
		ARwnd:  uint32(f.number("rwnd", defaultRwnd)),
	}
	if v, ok := f.value("gaps"); ok {
		for part := range strings.SplitSeq(v, ",") {
			from, to, _ := strings.Cut(part, "-")
			start, err1 := strconv.ParseUint(from, 10, 16)
			end, err2 := strconv.ParseUint(to, 10, 16)
			if f.err == nil {
				f.err = errors.Join(err1, err2)
			}
			s.Gaps = append(s.Gaps, wire.GapBlock{Start: uint16(start), End: uint16(end)})
		}
	}
	for _, d := range f.list("dups") {
		s.Dups = append(s.Dups, h.s.names.absolute(d, h.localTag()))
	}
	return s.AppendTo(nil), nil
}

// heartbeat is a HEARTBEAT, or the answer to the last one that the host sent, with
// from= to that address.
func (h *host) heartbeat(f *fields, ack bool) ([]byte, *wire.VTag) {
	hb := wire.Heartbeat{Ack: ack, Info: make([]byte, f.number("len", 8))}
	if beat := h.beats[h.from]; ack && len(beat) > 0 {
		hb.Info = beat
	}
	if v, ok := f.value("info"); ok {
		info, err := hex.DecodeString(v)
		if err != nil {
			f.err = err
		}
		hb.Info = info
	}
	return hb.AppendTo(nil), nil
}

// cookieEcho returns the last cookie that the host handed out, or the n-th.
func (h *host) cookieEcho(f *fields) ([]byte, *wire.VTag) {
	n := int(f.number("cookie", int64(len(h.cookies))))
	if n < 1 || n > len(h.cookies) {
		f.err = fmt.Errorf("%s gave %d cookies", h.name, len(h.cookies))
		return nil, nil
	}
	c := h.cookies[n-1]
	return (&wire.CookieEcho{Cookie: c.bytes}).AppendTo(nil), &c.tag
}

func (h *host) shutdown(f *fields) ([]byte, *wire.VTag) {
	return (&wire.Shutdown{CumTSN: h.s.names.absolute(f.number("cum", 0), h.localTag())}).AppendTo(nil), nil
}

// causes encodes cause=CODE or cause=CODE:HEX, any number of them.
func causes(f *fields) []byte {
	var b []byte
	for v, ok := f.value("cause"); ok; v, ok = f.value("cause") {
		code, text, _ := strings.Cut(v, ":")
		n, err := strconv.ParseUint(code, 0, 16)
		info, err2 := hex.DecodeString(text)
		if f.err == nil {
			f.err = errors.Join(err, err2)
		}
		b = wire.AppendCause(b, wire.CauseCode(n), info)
	}
	return b
}

// rawChunk is a chunk of any type, with flags and a value in hex.
func rawChunk(_ *host, f *fields) ([]byte, *wire.VTag) {
	v, _ := f.value("value")
	value, err := hex.DecodeString(v)
	if f.err == nil {
		f.err = err
	}
	n := f.number("length", int64(4+len(value)))
	b := []byte{byte(f.number("type", 0)), byte(f.number("flags", 0)), byte(n >> 8), byte(n)}
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b, nil
}
