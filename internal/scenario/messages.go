package scenario

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// send sends messages, or with partial pieces of one.
func (h *host) send(f *fields) error {
	if h.as == nil {
		return errNone
	}
	m := core.Outgoing{
		Stream: wire.StreamID(f.number("sid", 0)), PPID: wire.PPID(f.number("ppid", 0)), Context: uint32(f.number("context", 0)),
		Unordered: f.flag("unordered"), Immediate: f.flag("immediate"), NoBundle: f.flag("nobundle"), Partial: f.flag("partial"),
		Lifetime: f.duration("life", 0),
	}
	if v, ok := f.value("path"); ok {
		a, err := netip.ParseAddr(v)
		if err != nil {
			return err
		}
		m.Path = a
	}
	data := bytes.Repeat([]byte{'x'}, int(f.number("len", 10)))
	if text, ok := f.value("text"); ok {
		data = []byte(text)
	}
	for range f.number("count", 1) {
		if err := h.as.Send(h.s.now, &m, data); err != nil {
			h.s.say(h, "=", "%v", err)
			break
		}
	}
	h.drain()
	return nil
}

// recv reads what there is, of all streams or of one, and shows the text if it is
// short.
func (h *host) recv(f *fields) error {
	if h.as == nil {
		return errNone
	}
	buf := make([]byte, f.number("max", 1<<16))
	sid := f.number("sid", -1)
	for n := f.number("count", 1<<30); n > 0; n-- {
		read := h.as.Receive
		if sid >= 0 {
			read = func(now time.Time, b []byte) (core.Incoming, int, error) {
				return h.as.ReceiveStream(now, wire.StreamID(sid), b)
			}
		}
		info, n, err := read(h.s.now, buf)
		if err != nil {
			h.s.say(h, "=", "%v", err)
			break
		}
		s := fmt.Sprintf("sid=%d ssn=%d ppid=%d len=%d", info.Stream, info.SSN, info.PPID, n)
		if n <= 20 && strings.Trim(string(buf[:n]), "\x00") != "" {
			s += fmt.Sprintf(" %q", buf[:n])
		}
		if info.Unordered {
			s += " unordered"
		}
		if info.Torn {
			s += " torn"
		}
		if !info.End {
			s += " more follows"
		}
		h.s.say(h, "=", "%s", s)
	}
	h.drain()
	return nil
}

// cancel gives up the message that is being written on a stream.
func (h *host) cancel(f *fields) error {
	if h.as == nil {
		return errNone
	}
	return h.tell(h.as.Cancel(h.s.now, wire.StreamID(f.number("sid", 0))))
}

// takeUndelivered shows the messages that could not be delivered.
func (h *host) takeUndelivered() {
	for {
		u, ok := h.as.TakeUndelivered()
		if !ok {
			return
		}
		var words []string
		for _, w := range []struct {
			is   bool
			what string
		}{{u.Unordered, "unordered"}, {u.Partial, "partial"}, {!u.Sent, "unsent"}, {u.Sent, "sent"}} {
			if w.is {
				words = append(words, w.what)
			}
		}
		h.s.say(h, "!", "Undelivered sid=%d ppid=%d context=%d len=%d acked=%d %s: %v",
			u.Stream, u.PPID, u.Context, len(u.Data), u.Acked, strings.Join(words, " "), reason(u.Err))
	}
}
