package asapload

import (
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

func trunkKey(t rserpool.Transport) netip.AddrPort {
	port := t.UDPPort
	if port == 0 {
		port = sctp.DefaultUDPPort
	}
	return netip.AddrPortFrom(t.Addrs[0], port)
}

// dial gives an element the association with a registrar: the one that is there, or a new
// one.
func (f *Fleet) dial(m *member, o core.Output) {
	key := trunkKey(o.Registrar)
	t := f.trunks[key]
	if t == nil {
		t = f.trunk(key, o.Registrar)
		f.wg.Go(func() { f.connect(t) })
	}
	id := o.Link
	m.links[id], t.users[m] = t, id
	if t.assoc != nil {
		f.todo = append(f.todo, func(now time.Time) { f.connected(now, t, m, id) })
	}
}

func (f *Fleet) trunk(key netip.AddrPort, from rserpool.Transport) *trunk {
	t := &trunk{key: key, from: from, users: make(map[*member]core.LinkID)}
	f.trunks[key] = t
	return t
}

func (f *Fleet) connected(now time.Time, t *trunk, m *member, id core.LinkID) {
	if m.links[id] == t {
		m.core.HandleConnected(now, id, t.local)
		f.drain(m)
	}
}

// connect dials and reads an association.
func (f *Fleet) connect(t *trunk) {
	a, err := f.cfg.Stack.Dial(f.ctx, asaplink.Addr(t.from), f.sctp)
	if err != nil {
		f.input(func(time.Time) { f.lost(t, err) })
		return
	}
	f.input(func(now time.Time) {
		f.adopt(t, a)
		for m, id := range t.users {
			f.connected(now, t, m, id)
		}
	})
	f.read(t, a)
}

func (f *Fleet) adopt(t *trunk, a *sctp.Association) {
	t.assoc = a
	if l, ok := a.LocalAddr().(*sctp.Addr); ok {
		t.local = l.IPs
	}
}

// accept takes in registrars that look for elements.
func (f *Fleet) accept() {
	for {
		a, err := f.listener.AcceptSCTP(f.ctx)
		if err != nil {
			return
		}
		from, _ := a.RemoteAddr().(*sctp.Addr)
		f.input(func(time.Time) {
			at := asaplink.Transport(from)
			key := trunkKey(at)
			t := f.trunks[key]
			if t == nil || t.gone {
				t = f.trunk(key, at)
			} else { // beside the one that elements dial
				t = &trunk{key: key, from: at, users: make(map[*member]core.LinkID)}
			}
			f.adopt(t, a)
			f.wg.Go(func() { f.read(t, a) })
		})
	}
}

// read hands messages to the elements that they are for.
func (f *Fleet) read(t *trunk, a *sctp.Association) {
	buf := make([]byte, 4096)
	for {
		m, err := a.ReceiveMessage(f.ctx, buf, rserpool.MaxMessage)
		if err != nil {
			f.input(func(time.Time) { f.lost(t, err) })
			_ = a.Abort("the fleet ends") // it may have ended
			_ = a.Close()
			return
		}
		h, moved, ok := about(m.Data)
		if !ok {
			continue
		}
		f.input(func(now time.Time) { f.deliver(now, t, h, moved, m.Data) })
	}
}

func (f *Fleet) deliver(now time.Time, t *trunk, h rserpool.PoolHandle, moved bool, b []byte) {
	m := f.pools[h]
	if m == nil {
		return
	}
	f.moved = moved
	id, ok := t.users[m]
	if !ok { // a registrar that is not asked by this element wants something of it
		id = m.core.HandleAccepted(now, t.from, t.local)
		m.links[id], t.users[m] = t, id
	}
	m.core.HandleMessage(now, id, b)
	f.drain(m)
	f.moved = false
}

// lost tells all elements that use an association that it has ended.
func (f *Fleet) lost(t *trunk, err error) {
	if t.gone {
		return
	}
	t.gone = true
	if f.trunks[t.key] == t {
		delete(f.trunks, t.key)
	}
	now := time.Now()
	for m, id := range t.users {
		if m.links[id] == t {
			delete(m.links, id)
			m.core.HandleLost(now, id, err)
			f.drain(m)
		}
	}
}

// about finds the pool that a message is about, and whether it is a keep-alive that makes
// its sender the home registrar.
func about(b []byte) (h rserpool.PoolHandle, moved, ok bool) {
	m, err := asap.Decode(b)
	if err != nil {
		return "", false, false
	}
	switch m := m.(type) {
	case *asap.EndpointKeepAlive:
		return m.Handle, m.Home, true
	case *asap.RegistrationResponse:
		return m.Handle, false, true
	case *asap.DeregistrationResponse:
		return m.Handle, false, true
	}
	return "", false, false
}
