package asaplinktest

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// Registrar is a registrar for tests. Its methods may be called by several
// goroutines at once.
type Registrar struct {
	// ID is the registrar's identifier.
	ID rserpool.RegistrarID

	world    *World
	stack    *sctp.Stack
	listener *sctp.Listener
	at       *sctp.Addr
	wg       sync.WaitGroup

	mu       sync.Mutex
	hook     func(m asap.Message) (reply asap.Message, handled bool)
	elements []Member
	seen     []asap.Message
	assocs   map[*sctp.Association]bool
}

// Member is a registered element.
type Member struct {
	Handle  rserpool.PoolHandle
	Element rserpool.PoolElement // with the ASAP transport that it registered from
	assoc   *sctp.Association
}

// config has short timers, so that a dead element does not hold a test up.
var config = &sctp.Config{
	RTOInitial: 200 * time.Millisecond, RTOMin: 60 * time.Millisecond, RTOMax: time.Second,
	SackDelay: 20 * time.Millisecond, AssociationMaxRetrans: 3, Linger: 200 * time.Millisecond,
}

// Registrar starts a registrar on host n, with identifier n.
func (w *World) Registrar(n int) *Registrar {
	w.T.Helper()
	r := &Registrar{ID: rserpool.RegistrarID(n), world: w, stack: w.Stack(n), assocs: make(map[*sctp.Association]bool)}
	l, err := r.stack.Listen(&sctp.Addr{Port: asap.Port}, config)
	require.NoError(w.T, err)
	r.listener, r.at = l, &sctp.Addr{IPs: []netip.Addr{IP(n)}, Port: asap.Port, UDPPort: sctp.DefaultUDPPort}
	r.wg.Go(r.accept)
	w.T.Cleanup(r.Close)
	return r
}

// Address is the text form of the registrar's address.
func (r *Registrar) Address() string { return r.at.String() }

// Close ends the registrar.
func (r *Registrar) Close() {
	_ = r.listener.Close() // cannot fail
	r.DropAll()
	r.wg.Wait()
}

// DropAll aborts all associations.
func (r *Registrar) DropAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range r.assocs {
		_ = a.Abort("registrar closes") // it may have ended
	}
}

// Hook lets f answer messages in place of the registrar: if handled, with reply,
// which may be nil. A nil f ends that.
func (r *Registrar) Hook(f func(m asap.Message) (reply asap.Message, handled bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = f
}

// Silence answers nothing any more.
func Silence(asap.Message) (asap.Message, bool) { return nil, true }

// Members returns the registered elements of a pool.
func (r *Registrar) Members(h rserpool.PoolHandle) []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ms []Member
	for _, m := range r.elements {
		if m.Handle == h {
			ms = append(ms, m)
		}
	}
	return ms
}

// Count returns how many messages of a type have come.
func (r *Registrar) Count(t asap.MessageType) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, m := range r.seen {
		if m.Type() == t {
			n++
		}
	}
	return n
}

// Associations returns how many associations there are.
func (r *Registrar) Associations() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.assocs)
}

func (r *Registrar) accept() {
	for {
		a, err := r.listener.AcceptSCTP(context.Background())
		if err != nil {
			return
		}
		r.serve(a)
	}
}

// serve reads an association in a goroutine of its own.
func (r *Registrar) serve(a *sctp.Association) {
	r.mu.Lock()
	r.assocs[a] = true
	r.mu.Unlock()
	r.wg.Go(func() {
		for {
			m, err := a.ReceiveMessage(context.Background(), nil, rserpool.MaxMessage)
			if err != nil {
				break
			}
			if msg, err := asap.Decode(m.Data); err == nil && uint32(m.PPID) == asap.PPID {
				r.handle(a, msg)
			}
		}
		r.mu.Lock()
		delete(r.assocs, a)
		r.mu.Unlock()
		_ = a.Close() // the error is that it took too long
	})
}

func (r *Registrar) handle(a *sctp.Association, m asap.Message) {
	r.mu.Lock()
	r.seen = append(r.seen, m)
	reply, handled := asap.Message(nil), false
	if r.hook != nil {
		reply, handled = r.hook(m)
	}
	if !handled {
		reply = r.answer(a, m)
	}
	r.mu.Unlock()
	if reply != nil {
		r.send(a, reply)
	}
}

func (r *Registrar) send(a *sctp.Association, m asap.Message) {
	// The association may have ended.
	_ = a.Send(context.Background(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: m.AppendTo(nil)})
}

// answer is what a registrar does. The caller holds r.mu.
func (r *Registrar) answer(a *sctp.Association, m asap.Message) asap.Message {
	switch m := m.(type) {
	case *asap.Registration:
		r.drop(m.Handle, m.Element.ID)
		pe := m.Element
		pe.Home = r.ID
		from := a.RemoteAddr().(*sctp.Addr)
		pe.ASAP = &rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: from.Port, Addrs: from.IPs, UDPPort: from.UDPPort}
		r.elements = append(r.elements, Member{Handle: m.Handle, Element: pe, assoc: a})
		return &asap.RegistrationResponse{Handle: m.Handle, PEID: pe.ID}
	case *asap.Deregistration:
		r.drop(m.Handle, m.PEID)
		return &asap.DeregistrationResponse{Handle: m.Handle, PEID: m.PEID}
	case *asap.HandleResolution:
		res := &asap.HandleResolutionResponse{Handle: m.Handle}
		for _, e := range r.elements {
			if e.Handle == m.Handle {
				pe := e.Element
				pe.ASAP = nil
				res.Elements = append(res.Elements, pe)
				res.Policy = &pe.Policy
			}
		}
		if len(res.Elements) == 0 {
			res.Causes = []rserpool.Cause{{Code: rserpool.CauseUnknownPoolHandle}}
		}
		return res
	case *asap.EndpointUnreachable:
		r.drop(m.Handle, m.PEID)
	}
	return nil
}

func (r *Registrar) drop(h rserpool.PoolHandle, id rserpool.PEID) {
	r.elements = slices.DeleteFunc(r.elements, func(m Member) bool { return m.Handle == h && m.Element.ID == id })
}

// Add enters an element that did not register itself.
func (r *Registrar) Add(h rserpool.PoolHandle, pe rserpool.PoolElement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(h, pe.ID)
	r.elements = append(r.elements, Member{Handle: h, Element: pe})
}

// KeepAlive sends a keep-alive to all elements of a pool on the associations that
// they registered on.
func (r *Registrar) KeepAlive(h rserpool.PoolHandle) {
	for _, m := range r.Members(h) {
		if m.assoc != nil {
			r.send(m.assoc, &asap.EndpointKeepAlive{Server: r.ID, Handle: h})
		}
	}
}

// TakeOver makes r the home registrar of the elements of another one, as RFC 5353
// §3.5 says: it dials their ASAP transports from its ASAP port and sends
// keep-alives with H flag. It returns how many could be reached.
func (r *Registrar) TakeOver(dead *Registrar, h rserpool.PoolHandle) int {
	reached := 0
	for _, m := range dead.Members(h) {
		cfg := *config
		cfg.LocalPort = asap.Port
		to := m.Element.ASAP
		a, err := r.stack.Dial(context.Background(), &sctp.Addr{IPs: to.Addrs, Port: to.Port, UDPPort: to.UDPPort}, &cfg)
		if err != nil {
			continue
		}
		reached++
		m.Element.Home, m.assoc = r.ID, a
		r.mu.Lock()
		r.drop(h, m.Element.ID)
		r.elements = append(r.elements, m)
		r.mu.Unlock()
		r.serve(a)
		r.send(a, &asap.EndpointKeepAlive{Home: true, Server: r.ID, Handle: h})
	}
	return reached
}
