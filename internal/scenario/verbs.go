package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
)

// verbs is what a host can be told to do.
var verbs map[string]func(*host, *fields) error

func init() {
	verbs = map[string]func(*host, *fields) error{
		"config": (*host).configure, "connect": (*host).connect, "accept": (*host).accept,
		"dial": (*host).dial, "listen": (*host).listenNow, "crash": (*host).crash,
		"send": (*host).send, "cancel": (*host).cancel, "recv": (*host).recv, "shutdown": (*host).shutdownNow, "abort": (*host).abort,
		"state": (*host).state, "path": (*host).path, "stats": (*host).stats,
		"home": (*host).home, "primary": (*host).primary, "heartbeat": (*host).heartbeatNow, "set": (*host).set,
	}
}

var errNone = errors.New("there is no association")

// dial opens an association to the script or to another host.
func (h *host) dial(f *fields) error {
	if name, ok := f.word(); ok {
		h.peer = h.s.host(name).addr
		h.s.host(name).peer = h.addr
	}
	more, err := f.addrPorts("also")
	if err != nil {
		return err
	}
	as, err := core.Dial(h.s.now, &h.cfg, core.Endpoint{LocalPort: port, PeerPort: port, LocalAddrs: h.homes, PeerAddrs: append([]netip.AddrPort{h.peer}, more...)}, h.resp)
	if err != nil {
		return err
	}
	h.as = as
	h.drain()
	return nil
}

func (h *host) listenNow(*fields) error {
	h.listen = &core.Listening{Config: &h.cfg, LocalAddrs: h.homes}
	return nil
}

// crash loses all state, as if the process had died and begun anew.
func (h *host) crash(*fields) error {
	h.boot()
	h.cookies = nil
	return nil
}

// opts are the options of a scripted handshake, passed on to its chunks.
func opts(f *fields) (init string, half time.Duration) {
	for _, key := range []string{"rwnd", "os", "mis", "tag", "tsn", "addrs"} {
		if v, ok := f.value(key); ok {
			init += " " + key + "=" + v
		}
	}
	return init, f.duration("rtt", 0) / 2
}

// quietly runs the packets of a scripted handshake without showing anything.
func (h *host) quietly(half time.Duration, packets ...string) error {
	h.s.silent = true
	defer func() { h.s.silent = false }()
	for _, p := range packets {
		h.s.now = h.s.now.Add(half)
		if err := h.inject(p); err != nil {
			return err
		}
		h.s.now = h.s.now.Add(half)
	}
	if h.as == nil || h.as.State() != core.Established {
		return errors.New("the handshake failed")
	}
	return nil
}

// connect opens an association to the script.
func (h *host) connect(f *fields) error {
	h.s.silent = true
	err := h.dial(&fields{})
	h.s.silent = false
	if err != nil {
		return err
	}
	init, half := opts(f)
	h.s.now = h.s.now.Add(half)
	return h.quietly(half, "INIT-ACK"+init, "COOKIE-ACK")
}

// accept lets the script open an association.
func (h *host) accept(f *fields) error {
	_ = h.listenNow(f)
	init, half := opts(f)
	return h.quietly(half, "INIT"+init, "COOKIE-ECHO")
}

func (h *host) shutdownNow(*fields) error {
	if h.as == nil {
		return errNone
	}
	if err := h.as.Shutdown(h.s.now); err != nil {
		h.s.say(h, "=", "%v", err)
	}
	h.drain()
	return nil
}

func (h *host) abort(f *fields) error {
	if h.as == nil {
		return errNone
	}
	reason, _ := f.word()
	if err := h.as.Abort(h.s.now, []byte(reason)); err != nil {
		h.s.say(h, "=", "%v", err)
	}
	h.drain()
	return nil
}

func (h *host) state(*fields) error {
	if h.as == nil {
		h.s.say(h, "=", "CLOSED")
		return nil
	}
	next := "no timer"
	if when, ok := h.as.NextTimeout(); ok {
		next = "next timer in " + when.Sub(h.s.now).String()
	}
	h.s.say(h, "=", "%v, %s", h.as.State(), next)
	return nil
}

func (h *host) path(*fields) error {
	if h.as == nil {
		return errNone
	}
	for _, p := range h.as.Paths() {
		h.s.say(h, "=", "%v %v cwnd=%d inflight=%d srtt=%v rto=%v errors=%d", p.Remote, p.State, p.Cwnd, p.InFlight, p.SRTT, p.RTO, p.Errors)
	}
	return nil
}

// stats shows counters by their names.
func (h *host) stats(f *fields) error {
	if h.as == nil {
		return errNone
	}
	v := reflect.ValueOf(h.as.Stats())
	for name, ok := f.word(); ok; name, ok = f.word() {
		field := v.FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("no counter %q", name)
		}
		h.s.say(h, "=", "%s %v", name, field)
	}
	return nil
}
