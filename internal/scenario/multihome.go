package scenario

import (
	"fmt"
	"net/netip"
	"strings"
)

// home gives a host further addresses.
func (h *host) home(f *fields) error {
	if h.homes == nil {
		h.homes = []netip.Addr{h.addr.Addr()}
	}
	for w, ok := f.word(); ok; w, ok = f.word() {
		a, err := netip.ParseAddr(w)
		if err != nil {
			return err
		}
		h.homes = append(h.homes, a)
	}
	return nil
}

// address takes the address that a command is about; the zero one if there is none.
func (f *fields) address() (netip.Addr, error) {
	w, ok := f.word()
	if !ok {
		return netip.Addr{}, nil
	}
	return netip.ParseAddr(w)
}

// about is address for a command of a host that has an association.
func (h *host) about(f *fields) (netip.Addr, error) {
	if h.as == nil {
		return netip.Addr{}, errNone
	}
	return f.address()
}

// tell shows an error and sends what a command brought about.
func (h *host) tell(err error) error {
	if err != nil {
		h.s.say(h, "=", "%v", err)
	}
	h.drain()
	return nil
}

func (h *host) primary(f *fields) error {
	a, err := h.about(f)
	if err != nil {
		return err
	}
	return h.tell(h.as.SetPrimary(h.s.now, a))
}

func (h *host) heartbeatNow(f *fields) error {
	a, err := h.about(f)
	if err != nil {
		return err
	}
	return h.tell(h.as.RequestHeartbeat(h.s.now, a))
}

// set changes settings of all paths, or of one, path=ip:
//
//	path.retrans= pf= nopf hb= nohb withhb
func (h *host) set(f *fields) error {
	if h.as == nil {
		return errNone
	}
	var a netip.Addr
	if v, ok := f.value("path"); ok {
		var err error
		if a, err = netip.ParseAddr(v); err != nil {
			return err
		}
	}
	s, err := h.as.PathSettings(a)
	if err != nil {
		return h.tell(err)
	}
	s.MaxRetrans = int(f.number("path.retrans", int64(s.MaxRetrans)))
	s.HeartbeatInterval = f.duration("hb", s.HeartbeatInterval)
	if n := f.number("pf", -1); n >= 0 {
		s.PotentiallyFailed, s.PFMaxRetrans = true, int(n)
	}
	s.PotentiallyFailed = s.PotentiallyFailed && !f.flag("nopf")
	s.DisableHeartbeat = (s.DisableHeartbeat || f.flag("nohb")) && !f.flag("withhb")
	return h.tell(h.as.SetPathSettings(h.s.now, a, s))
}

// addrs takes the comma-separated addresses of a key.
func (f *fields) addrs(key string) ([]netip.Addr, error) {
	v, ok := f.value(key)
	if !ok {
		return nil, nil
	}
	var out []netip.Addr
	for s := range strings.SplitSeq(v, ",") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", key, v, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// addrPorts is addrs with ports.
func (f *fields) addrPorts(key string) ([]netip.AddrPort, error) {
	v, ok := f.value(key)
	if !ok {
		return nil, nil
	}
	var out []netip.AddrPort
	for s := range strings.SplitSeq(v, ",") {
		a, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", key, v, err)
		}
		out = append(out, a)
	}
	return out, nil
}
