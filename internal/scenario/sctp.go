package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// port is the SCTP port of all hosts, so that they can call each other at once.
const port = 5001

var epoch = time.Unix(1_700_000_000, 0)

// sctp is the actor of SCTP scripts: hosts, a clock, and packets under way.
type sctp struct {
	t      testing.TB
	now    time.Time
	begin  time.Time // of the tick, zero outside of one
	hosts  []*host
	under  []transit
	delay  time.Duration // negative: packets wait for deliver
	names  names
	lines  []string
	buf    []byte
	silent bool
}

// transit is a packet on its way between two hosts.
type transit struct {
	from *host
	at   netip.AddrPort // its source
	to   netip.AddrPort
	due  time.Time
	data []byte
}

// NewSCTP returns an actor for SCTP scripts; see the package comment.
func NewSCTP(t testing.TB) Actor {
	return &sctp{t: t, now: epoch, delay: -1, names: newNames(), buf: make([]byte, 0, 1<<16)}
}

// Do executes a command.
func (s *sctp) Do(command string) ([]string, error) {
	s.lines = nil
	s.begin = time.Time{}
	word, rest, _ := strings.Cut(command, " ")
	err := s.do(word, strings.TrimSpace(rest))
	return s.lines, err
}

func (s *sctp) do(word, rest string) error {
	if name, ok := strings.CutSuffix(word, "<"); ok && name != "" {
		return s.host(name).inject(rest)
	}
	f := splitFields(rest)
	switch word {
	case "quietly":
		s.silent = true
		defer func() { s.silent = false }()
		next, rest, _ := strings.Cut(rest, " ")
		return s.do(next, rest)
	case "tick":
		return s.tick(&f)
	case "clock":
		return s.setClock(&f)
	case "delay":
		return s.setDelay(&f)
	case "deliver":
		return s.deliver(&f)
	case "drop", "dup", "swap":
		return s.tamper(word, &f)
	}
	if word == strings.ToLower(word) {
		return fmt.Errorf("no command %q", word)
	}
	h := s.host(word)
	verb, ok := f.word()
	do := verbs[verb]
	if !ok || do == nil {
		return fmt.Errorf("what shall %s do?", word)
	}
	if err := do(h, &f); err != nil {
		return err
	}
	return f.done()
}

// host returns a host by its name; the first mention creates it.
func (s *sctp) host(name string) *host {
	for _, h := range s.hosts {
		if h.name == name {
			return h
		}
	}
	h := newHost(s, name, len(s.hosts)+1)
	s.hosts = append(s.hosts, h)
	return h
}

// at returns the host with an address.
func (s *sctp) at(a netip.Addr) *host {
	for _, h := range s.hosts {
		if h.addr.Addr() == a || slices.Contains(h.homes, a) {
			return h
		}
	}
	return nil
}

// say records a line of what happened.
func (s *sctp) say(h *host, mark, format string, args ...any) {
	if s.silent {
		return
	}
	when := ""
	if !s.begin.IsZero() {
		when = "+" + s.now.Sub(s.begin).String() + " "
	}
	s.lines = append(s.lines, strings.TrimSpace(when+h.name+mark+" "+fmt.Sprintf(format, args...)))
}

// transmit sends a packet: to another host, or only to the eyes of the reader.
func (s *sctp) transmit(h *host, t core.Transmit, pkt wire.Packet) {
	to, at := t.Remote, h.addr
	if t.Local.IsValid() {
		at = netip.AddrPortFrom(t.Local, h.addr.Port())
	}
	shown := s.names.show(h, at, to, pkt)
	if t.ECN != 0 {
		shown += fmt.Sprint(" ecn=", t.ECN)
	}
	s.say(h, ">", "%s", shown)
	if s.at(to.Addr()) == nil {
		return
	}
	due := time.Time{}
	if s.delay >= 0 {
		due = s.now.Add(s.delay)
	}
	s.under = append(s.under, transit{from: h, at: at, to: to, due: due, data: append([]byte(nil), pkt.Bytes()...)})
}

// next is when something happens by itself.
func (s *sctp) next() (time.Time, bool) {
	var next time.Time
	for _, t := range s.under {
		if !t.due.IsZero() && (next.IsZero() || t.due.Before(next)) {
			next = t.due
		}
	}
	for _, h := range s.hosts {
		if h.as == nil {
			continue
		}
		if when, ok := h.as.NextTimeout(); ok && (next.IsZero() || when.Before(next)) {
			next = when
		}
	}
	return next, !next.IsZero()
}

// errStuck is a deadline that does not go away when it is served.
var errStuck = errors.New("time stands still")

// tick lets time pass.
func (s *sctp) tick(f *fields) error {
	w, _ := f.word()
	d, err := time.ParseDuration(w)
	if err != nil {
		return err
	}
	s.begin = s.now
	end := s.now.Add(d)
	for i := 0; ; i++ {
		if i > 1_000_000 {
			return errStuck
		}
		when, ok := s.next()
		if !ok || when.After(end) {
			break
		}
		if when.After(s.now) {
			s.now = when
		}
		s.arrivals()
		for _, h := range s.hosts {
			h.timeout()
		}
	}
	s.now = end
	return f.done()
}

// arrivals delivers the packets that are due.
func (s *sctp) arrivals() {
	for i := 0; i < len(s.under); {
		t := s.under[i]
		if t.due.IsZero() || t.due.After(s.now) {
			i++
			continue
		}
		s.under = append(s.under[:i], s.under[i+1:]...)
		s.arrive(t)
	}
}

func (s *sctp) arrive(t transit) {
	if h := s.at(t.to.Addr()); h != nil {
		h.receive(t.at, t.to.Addr(), t.data)
	}
}

func (s *sctp) setClock(f *fields) error {
	w, _ := f.word()
	d, err := time.ParseDuration(w)
	s.now = s.now.Add(d)
	return err
}

func (s *sctp) setDelay(f *fields) error {
	w, _ := f.word()
	d, err := time.ParseDuration(w)
	s.delay = d
	return err
}

// deliver delivers what is under way: all, and what that brings about, or once
// what one host sent.
func (s *sctp) deliver(f *fields) error {
	name, one := f.word()
	for range 10_000 {
		var now, later []transit
		for _, t := range s.under {
			if !one || t.from.name == name {
				now = append(now, t)
			} else {
				later = append(later, t)
			}
		}
		s.under = later
		for _, t := range now {
			s.arrive(t)
		}
		if one || len(s.under) == 0 {
			return f.done()
		}
	}
	return errors.New("the hosts do not come to an end")
}

// tamper loses, doubles or reorders packets of a host that are under way.
func (s *sctp) tamper(what string, f *fields) error {
	name, _ := f.word()
	n := 1
	if w, ok := f.word(); ok {
		if _, err := fmt.Sscan(w, &n); err != nil {
			return err
		}
	}
	var mine []int
	for i, t := range s.under {
		if t.from.name == name {
			mine = append(mine, i)
		}
	}
	switch {
	case len(mine) < n, what == "swap" && len(mine) < 2:
		return fmt.Errorf("%s has %d packets under way", name, len(mine))
	case what == "dup":
		s.under = append(s.under, s.under[mine[0]])
	case what == "swap":
		i, j := mine[0], mine[1]
		s.under[i], s.under[j] = s.under[j], s.under[i]
	default:
		for k := n - 1; k >= 0; k-- {
			s.under = append(s.under[:mine[k]], s.under[mine[k]+1:]...)
		}
	}
	return f.done()
}
