package multicast

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lookAgain is how often the interfaces are looked at: one that comes up is used that
// much later at most.
const lookAgain = time.Second

// maxWaiting is how many datagrams may wait to be sent. Further ones are dropped.
const maxWaiting = 16

// Conn is membership of groups. It runs a goroutine for each group that it hears, and
// one that sends and looks after the interfaces.
type Conn struct {
	cfg     Config
	network Network
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	closing sync.Once
	waiting chan func(local []netip.Addr) []byte
	hears   atomic.Pointer[map[int]bool] // indexes of the interfaces in use
	stats   counters

	// Of the goroutine that looks after the interfaces.
	groups  []*membership
	senders map[place]*outlet
	names   []string
}

// membership is a group that is heard.
type membership struct {
	group    netip.AddrPort
	listener Listener
	joined   map[int]bool // by the index of the interface
}

// place is where something is sent: an interface and a family.
type place struct {
	index int
	v6    bool
}

// outlet is what is sent from there.
type outlet struct {
	sender Sender
	name   string
	local  []netip.Addr
}

// counters are the fields of Stats.
type counters struct{ sent, sendErrors, heard, ignored, joinErrors atomic.Uint64 }

// Stats counts what a Conn has done.
type Stats struct {
	Sent       uint64 // datagrams, each interface and group counted
	SendErrors uint64
	Heard      uint64
	Ignored    uint64 // too long, or on an interface that was not chosen
	JoinErrors uint64
}

// Open joins the groups on the interfaces that there are. That there is none is no error:
// one may come. It must be closed.
func Open(cfg *Config) (*Conn, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Conn{cfg: *cfg, network: cfg.Network, senders: make(map[place]*outlet),
		waiting: make(chan func([]netip.Addr) []byte, maxWaiting)}
	if c.network == nil {
		c.network = system{}
	}
	if c.cfg.TTL == 0 {
		c.cfg.TTL = DefaultTTL
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.listen(); err != nil {
		_ = c.Close() // the error is that of listen
		return nil, err
	}
	c.look()
	for _, m := range c.groups {
		c.tasks.Go(func() { c.hear(m) })
	}
	c.tasks.Go(c.run)
	return c, nil
}

// listen opens the sockets of the groups. Of several families one will do: a host may not
// have the other.
func (c *Conn) listen() error {
	if c.cfg.Receive == nil {
		return nil
	}
	var errs []error
	for _, g := range c.cfg.Groups {
		l, err := c.network.Listen(g)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.groups = append(c.groups, &membership{group: g, listener: l, joined: make(map[int]bool)})
	}
	if len(c.groups) == 0 {
		return errors.Join(errs...)
	}
	return nil
}

// Close leaves the groups. It is idempotent.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.cancel()
		for _, m := range c.groups {
			_ = m.listener.Close() // of no use any more
		}
		c.tasks.Wait()
		for p := range c.senders {
			c.closeSender(p)
		}
	})
	return nil
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	s := &c.stats
	return Stats{Sent: s.sent.Load(), SendErrors: s.sendErrors.Load(), Heard: s.heard.Load(), Ignored: s.ignored.Load(), JoinErrors: s.joinErrors.Load()}
}

// Send sends a datagram to each group on each interface. build makes it for one of them:
// local are the addresses by which others reach this host there, and that it is
// sent from the first; nil sends nothing. It is called later, by another goroutine. Send
// does not wait; what cannot be sent is lost, as datagrams are.
func (c *Conn) Send(build func(local []netip.Addr) []byte) {
	select {
	case c.waiting <- build:
	default:
		c.stats.sendErrors.Add(1)
	}
}

// run sends, and looks at the interfaces from time to time.
func (c *Conn) run() {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case build := <-c.waiting:
			c.send(build)
		case <-again.C:
			c.look()
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Conn) send(build func([]netip.Addr) []byte) {
	for p, o := range c.senders {
		b := build(o.local)
		if len(b) == 0 {
			continue
		}
		for _, g := range c.cfg.Groups {
			if g.Addr().Is6() != p.v6 {
				continue
			}
			if err := o.sender.Send(b, g); err != nil {
				c.stats.sendErrors.Add(1)
				continue
			}
			c.stats.sent.Add(1)
		}
	}
}

// look compares the interfaces there are with those in use. Membership ends with an
// interface by itself.
func (c *Conn) look() {
	all, err := c.network.Interfaces()
	if err != nil {
		return // next time
	}
	use := make(map[int]bool)
	var names []string
	var chosen []*Interface
	for i := range all {
		if ifc := &all[i]; c.cfg.wanted(ifc) {
			use[ifc.Index] = true
			names = append(names, ifc.Name)
			chosen = append(chosen, ifc)
		}
	}
	c.hears.Store(&use)
	for _, m := range c.groups {
		c.join(m, chosen)
	}
	if c.cfg.Send {
		c.openSenders(chosen)
	}
	if !slices.Equal(names, c.names) {
		c.names = names
		if c.cfg.OnChange != nil {
			c.cfg.OnChange(slices.Clone(names))
		}
	}
}

// join joins the group on interfaces where that has not been done, and forgets those
// that are gone.
func (c *Conn) join(m *membership, chosen []*Interface) {
	there := make(map[int]bool, len(chosen))
	for _, ifc := range chosen {
		if !ifc.has(m.group.Addr().Is6()) {
			continue
		}
		there[ifc.Index] = true
		if m.joined[ifc.Index] {
			continue
		}
		if err := m.listener.Join(ifc); err != nil {
			c.stats.joinErrors.Add(1)
			continue // it is tried again
		}
		m.joined[ifc.Index] = true
	}
	for index := range m.joined {
		if !there[index] {
			delete(m.joined, index)
		}
	}
}

// openSenders opens a socket for each interface and family that there is a group of, and
// closes those whose interface or address is gone.
func (c *Conn) openSenders(chosen []*Interface) {
	keep := make(map[place]bool)
	for _, ifc := range chosen {
		for _, v6 := range []bool{false, true} {
			local := c.cfg.local(ifc, v6)
			if len(local) == 0 || !slices.ContainsFunc(c.cfg.Groups, func(g netip.AddrPort) bool { return g.Addr().Is6() == v6 }) {
				continue
			}
			p := place{ifc.Index, v6}
			if o := c.senders[p]; o != nil && o.name == ifc.Name && o.local[0] == local[0] {
				o.local, keep[p] = local, true
				continue
			}
			s, err := c.network.Sender(ifc, netip.AddrPortFrom(local[0], c.cfg.SourcePort), c.cfg.TTL)
			if err != nil {
				c.stats.sendErrors.Add(1)
				continue
			}
			c.closeSender(p)
			c.senders[p] = &outlet{s, ifc.Name, local}
			keep[p] = true
		}
	}
	for p := range c.senders {
		if !keep[p] {
			c.closeSender(p)
		}
	}
}

func (c *Conn) closeSender(p place) {
	if o := c.senders[p]; o != nil {
		_ = o.sender.Close() // nothing is under way
		delete(c.senders, p)
	}
}

// hear passes on what comes to a group.
func (c *Conn) hear(m *membership) {
	b := make([]byte, MaxDatagram+1)
	for {
		n, from, on, err := m.listener.Read(b)
		switch {
		case c.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// One datagram, such as one that is too long for some systems; or it
			// lasts, and must not spin.
			select {
			case <-time.After(10 * time.Millisecond):
			case <-c.ctx.Done():
			}
		case n > MaxDatagram, on != 0 && !(*c.hears.Load())[on]:
			c.stats.ignored.Add(1)
		default:
			c.stats.heard.Add(1)
			c.cfg.Receive(Datagram{Group: m.group, From: from, Data: b[:n]})
		}
	}
}
