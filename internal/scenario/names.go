package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// names gives verification tags names, and knows the first TSN that goes with
// each tag.
type names struct {
	byTag  map[wire.VTag]string
	byName map[string]wire.VTag
	count  map[string]int
	first  map[wire.VTag]wire.TSN
}

func newNames() names {
	return names{byTag: map[wire.VTag]string{}, byName: map[string]wire.VTag{}, count: map[string]int{}, first: map[wire.VTag]wire.TSN{}}
}

// learn notes a tag that a host chose and the TSN it begins with.
func (n *names) learn(tag wire.VTag, host string, first wire.TSN) {
	n.first[tag] = first
	if _, known := n.byTag[tag]; known || tag == 0 {
		return
	}
	n.count[host]++
	n.set(tag, host+strconv.Itoa(n.count[host]))
}

func (n *names) set(tag wire.VTag, name string) { n.byTag[tag], n.byName[name] = name, tag }

// tag returns the tag with a name, or with a number; an unknown name becomes a
// tag.
func (n *names) tag(name string) wire.VTag {
	if v, err := strconv.ParseUint(name, 0, 32); err == nil {
		return wire.VTag(v)
	}
	if t, ok := n.byName[name]; ok {
		return t
	}
	t := wire.VTag(0x50000000 + len(n.byName))
	n.set(t, name)
	return t
}

func (n *names) name(tag wire.VTag) string {
	if s, ok := n.byTag[tag]; ok {
		return s
	}
	return fmt.Sprintf("0x%x", uint32(tag))
}

// relative is a TSN counted from the first of the side that chose the tag.
func (n *names) relative(t wire.TSN, tag wire.VTag) wire.TSN { return t - n.first[tag] + 1 }

// absolute is the inverse of relative.
func (n *names) absolute(t int64, tag wire.VTag) wire.TSN {
	return wire.TSN(uint32(t)) + n.first[tag] - 1
}

// show describes a packet that h sent.
func (n *names) show(h *host, at, to netip.AddrPort, pkt wire.Packet) string {
	var parts []string
	expected := h.remoteTag()
	for c := range pkt.Chunks() {
		if c.Type() == wire.TypeInit {
			expected = 0
		}
		parts = append(parts, n.showChunk(h, c))
	}
	s := strings.Join(parts, " | ")
	if pkt.VTag != expected {
		s += " vtag=" + n.name(pkt.VTag)
	}
	if at != h.addr {
		s += " from=" + at.Addr().String()
	}
	if to != h.peer {
		s += " to=" + to.String()
	}
	return s
}

// showChunk describes a chunk with relative TSNs and named tags.
func (n *names) showChunk(h *host, c wire.RawChunk) string {
	d, err := wire.DecodeChunk(c)
	if err != nil {
		return c.String()
	}
	own, other := h.localTag(), h.remoteTag()
	switch d := d.(type) {
	case *wire.Data:
		d.TSN = n.relative(d.TSN, own)
	case *wire.Sack:
		d.CumTSN = n.relative(d.CumTSN, other)
		for i := range d.Dups {
			d.Dups[i] = n.relative(d.Dups[i], other)
		}
	case *wire.ECNE:
		d.LowestTSN = n.relative(d.LowestTSN, other)
	case *wire.CWR:
		d.LowestTSN = n.relative(d.LowestTSN, own)
	case *wire.Shutdown:
		d.CumTSN = n.relative(d.CumTSN, other)
	case *wire.Init:
		s := d.String()
		s = strings.Replace(s, fmt.Sprintf("tag=0x%08x", uint32(d.InitiateTag)), "tag="+n.name(d.InitiateTag), 1)
		return strings.Replace(s, fmt.Sprintf(" tsn=%d", d.InitialTSN), "", 1)
	}
	return d.String()
}

// showEvent describes an event.
func (h *host) showEvent(e core.Event) string {
	s := e.Kind.String()
	switch e.Kind {
	case core.EventReadable, core.EventPartialAborted:
		s += fmt.Sprintf(" stream=%d", e.Stream)
	case core.EventClosed:
		if e.Err == nil {
			return s + " gracefully"
		}
		s += ": " + reason(e.Err)
	case core.EventPathState:
		s += fmt.Sprintf(" %v %v", e.Path, e.PathState)
		if e.Primary && len(h.as.Paths()) > 1 {
			s += " primary"
		}
	case core.EventRemoteError:
		for c := range wire.Causes(e.Causes) {
			s += fmt.Sprintf(" (%v)", c)
		}
	}
	return s
}

// reason is the text of an error. What was sent without an answer is seen in the
// script.
func reason(err error) string {
	if errors.Is(err, core.ErrTimeout) {
		err = core.ErrTimeout
	}
	return err.Error()
}
