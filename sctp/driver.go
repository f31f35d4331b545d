package sctp

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Sizes of the send side. A Transmit is at most what one GSO write takes, the
// payload of a UDP datagram; a buffer has room for two and is written when less
// than one fits or nothing is left to send.
const (
	sendBufferSize = 2 * maxTransmit
	maxTransmit    = 65535 - 20 - 8
	maxDatagrams   = 64
)

// sendBuffer collects what one turn sends.
type sendBuffer struct {
	data  [sendBufferSize]byte
	used  int
	batch [maxDatagrams]carrier.Datagram
	n     int
	link  *link
}

// turn is what follows every input to the machine of a, whether packets, a call
// or the clock: send what is due, tell who waits, set the timer. The caller holds
// a.mu and has done the input.
func (a *Association) turn(now time.Time) {
	a.now, a.held, a.eaten = now, 0, 0
	a.transmit(now)
	for a.core != nil { // a restart takes it away
		ev, ok := a.core.PollEvent()
		if !ok {
			break
		}
		a.handleEvent(&ev)
	}
	if a.tracer != nil && a.core != nil {
		a.tracer.windows(a.core)
	}
	if a.done {
		return
	}
	if a.closed && a.discard(now) {
		a.transmit(now)
	}
	if a.rekey || a.core.LocalTag() != a.tag {
		a.rekey = false
		a.stack.demux.rekey(a, a.core.LocalTag(), a.core.ConfirmedAddrs(), a.core.PeerAddrs())
	}
	a.arm()
}

// afterRead runs the turn after n bytes were read, if there is a point to it: what a
// read can bring about is news of the window, mostly, and these can wait while the
// reader is busy with what it has.
func (a *Association) afterRead(n int, more bool) {
	a.eaten += n + readOverhead
	if more && a.eaten < a.settings.recvBuffer/8 {
		return
	}
	a.eaten = 0
	if a.held > 0 || a.core.ReadNews() {
		a.turn(time.Now())
	}
}

// readOverhead is about what the machine charges a message in the receive buffer.
const readOverhead = 64

// transmit writes what the machine has to send.
func (a *Association) transmit(now time.Time) {
	s := a.stack
	sb := s.buffers.Get().(*sendBuffer)
	segments := s.maxSegments()
	need := maxTransmit
	if segments == 1 {
		need = a.settings.mtu
	}
	for {
		if sb.n == maxDatagrams || len(sb.data)-sb.used < need {
			sb.flush(s)
		}
		t, ok := a.core.PollTransmit(now, sb.data[sb.used:sb.used:sb.used+need], segments)
		if !ok {
			break
		}
		if a.tracer != nil {
			a.tracer.sent(&t)
		}
		sb.add(a, &t)
	}
	sb.flush(s)
	s.buffers.Put(sb)
}

// add appends a Transmit, which was built into the buffer.
func (b *sendBuffer) add(a *Association, t *core.Transmit) {
	s := a.stack
	if !t.Local.IsValid() && len(s.wires().ips) > 1 {
		t.Local = s.source(t.Remote.Addr())
	}
	l := s.route(t.Local, t.Remote).pick(a)
	if b.link != l {
		b.flushTo(s, b.link)
		b.link = l
	}
	b.batch[b.n] = carrier.Datagram{Local: t.Local, Remote: t.Remote, Data: t.Data, SegmentSize: t.SegmentSize,
		ECN: t.ECN, MayFragment: t.MayFragment}
	b.n++
	b.used += len(t.Data)
}

// flush writes the batch.
func (b *sendBuffer) flush(s *Stack) {
	b.flushTo(s, b.link)
	b.used = 0
}

func (b *sendBuffer) flushTo(s *Stack, l *link) {
	if b.n == 0 {
		return
	}
	packets, bytes := 0, 0
	for i := range b.batch[:b.n] {
		packets += b.batch[i].Count()
		bytes += len(b.batch[i].Data)
	}
	s.count.packetsOut.Add(int64(packets))
	s.count.bytesOut.Add(int64(bytes))
	if s.cfg.Capture != nil {
		s.captureOut(l, b.batch[:b.n])
	}
	// An error means that the carrier is closed: the datagrams are lost, as they
	// could be on any network.
	if _, err := l.WriteBatch(b.batch[:b.n]); err != nil {
		s.count.sendErrors.Add(1)
	}
	clear(b.batch[:b.n])
	b.n = 0
}

// arm sets the alarm of a to the next deadline of its machine. One that would
// ring too early is left alone: deadlines mostly move away (every SACK postpones
// T3-rtx), and one vain expiry is cheaper than setting it each time.
func (a *Association) arm() {
	if when, ok := a.core.NextTimeout(); ok {
		a.wakeAt(when)
	}
}

// A message with Message.More waits for others until there is a full Transmit of
// them or holdTime is over.
const (
	maxHeld  = maxTransmit
	holdTime = time.Millisecond
)

// hold makes sure that there will be a turn within holdTime.
func (a *Association) hold(now time.Time) { a.wakeAt(now.Add(holdTime)) }

// wakeAt makes the alarm ring at when, or before.
func (a *Association) wakeAt(when time.Time) {
	at := max(when.Sub(a.stack.began), 1)
	if a.armed != 0 && a.armed <= at {
		return
	}
	a.armed = at
	a.stack.alarms.wake(a, at)
}

// onAlarm is the input of the clock.
func (a *Association) onAlarm() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = 0
	if a.done {
		return
	}
	now := time.Now()
	if when, ok := a.core.NextTimeout(); ok && !when.After(now) {
		a.core.HandleTimeout(now)
	} else if a.held == 0 {
		a.arm()
		return
	}
	a.turn(now)
}

// inPacket is a received packet on its way to its association.
type inPacket struct {
	in   core.Inbound
	pkt  wire.Packet
	next int // index of the next packet of the same association, -1 at the end
}

// run is the packets of one association in a batch, in the order of arrival.
type run struct {
	assoc       *Association
	first, last int
}

// Limits of one pass through the demux; the memory of a reader follows from them.
const (
	readBatch  = 64
	maxPackets = 512
	maxRuns    = 32
)

// reader is the working memory of the goroutine that reads one carrier.
type reader struct {
	stack   *Stack
	link    *link
	batch   [readBatch]carrier.Datagram
	packets []inPacket
	runs    []run
	strays  []int // packets without an association
	count   int64 // packets and bytes that are not in the counters yet
	bytes   int64
	reply   [maxReply]byte
	out     [1]carrier.Datagram

	// What the latest batch was, for the pump.
	only   *Association // whose packets all of it were, or the last of it
	ended  bool         // it has ended
	waits  uint64       // of it
	mixed  bool         // there were others that live on, or several strays
	roused bool         // a call was let go
}

// read is the goroutine of a carrier. It ends when the carrier is closed.
func (s *Stack) read(l *link) {
	defer s.readers.Done()
	r := l.reader
	failures := 0
	for {
		n, err := l.ReadBatch(r.batch[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Not final, says the contract of Carrier. Do not spin, though.
			s.count.readErrors.Add(1)
			if failures++; failures > 10 {
				time.Sleep(10 * time.Millisecond)
			}
			continue
		}
		failures = 0
		r.deliver(time.Now(), r.batch[:n])
		if l.pump.lend(r) {
			l.standby(r.only)
		} else if r.roused {
			// Those go first who were woken: in a system call this goroutine would
			// keep its processor, and them, for a while.
			runtime.Gosched()
		}
	}
}

// deliver handles a batch of datagrams. Packets of one association are handled in
// one turn.
func (r *reader) deliver(now time.Time, ds []carrier.Datagram) {
	r.only, r.ended, r.mixed, r.roused = nil, false, false, false
	for i := range ds {
		d := &ds[i]
		if r.stack.cfg.Capture != nil {
			r.captureIn(now, d)
		}
		for data := range d.Segments() {
			r.accept(d, data)
			if len(r.packets) == maxPackets {
				r.dispatch(now)
			}
		}
	}
	r.dispatch(now)
	clear(ds)
}

// accept parses a packet; packets that are malformed or have a wrong checksum are
// dropped without an answer (RFC 9260 §6.8).
func (r *reader) accept(d *carrier.Datagram, data []byte) {
	c := &r.stack.count
	r.bytes += int64(len(data))
	r.count++
	udp := d.Remote.Port() != 0
	if ip := d.Remote.Addr(); !ip.IsValid() || ip.IsMulticast() || ip.IsUnspecified() || udp != r.link.door.udp {
		c.malformed.Add(1) // RFC 9260 §8.4 (1)
		return
	}
	// In place: packets always has room for one more.
	n := len(r.packets)
	p := &r.packets[:n+1][n]
	var err error
	p.pkt, err = wire.Parse(data)
	switch {
	case err == nil:
		p.in, p.next = core.Inbound{Local: d.Local, Remote: d.Remote, ECN: d.ECN}, -1
		r.packets = r.packets[:n+1]
	case errors.Is(err, wire.ErrChecksum):
		c.badChecksum.Add(1)
	default:
		c.malformed.Add(1)
	}
}

// dispatch leads the collected packets to their associations, then the strays to
// the gatekeeper. Strays come last and look again for an association: the first
// of them may have created it, or a restart may have changed its tag.
func (r *reader) dispatch(now time.Time) {
	// Once for all packets: the readers of other sockets write to the same place.
	r.stack.count.packetsIn.Add(r.count)
	r.stack.count.bytesIn.Add(r.bytes)
	r.count, r.bytes = 0, 0
	for from := 0; from < len(r.packets); {
		from = r.sort(from)
		for _, run := range r.runs {
			r.input(now, run)
		}
		clear(r.runs)
	}
	r.mixed = r.mixed || len(r.strays) > 1 || len(r.strays) > 0 && r.only != nil && !r.ended
	for _, i := range r.strays {
		r.stray(now, i)
	}
	clear(r.packets)
	r.packets, r.runs, r.strays = r.packets[:0], r.runs[:0], r.strays[:0]
}

// sort forms runs of the packets from index on, until there are maxRuns of them,
// and returns the index of the first packet that it left.
func (r *reader) sort(from int) int {
	d := &r.stack.demux
	r.runs = r.runs[:0]
	d.mu.RLock()
	defer d.mu.RUnlock()
	var last *Association // likely the one of the next packet, too
next:
	for i := from; i < len(r.packets); i++ {
		p := &r.packets[i]
		a := last
		if a == nil || !a.named(&p.pkt.Header) {
			a = d.find(&p.pkt.Header, p.in.Remote)
			last = a
		}
		if a == nil {
			r.strays = append(r.strays, i)
			continue
		}
		for j := len(r.runs) - 1; j >= 0; j-- {
			if run := &r.runs[j]; run.assoc == a {
				r.packets[run.last].next, run.last = i, i
				continue next
			}
		}
		if len(r.runs) == maxRuns {
			return i
		}
		r.runs = append(r.runs, run{a, i, i})
	}
	return len(r.packets)
}

// input is one turn with the packets of a run.
func (r *reader) input(now time.Time, run run) {
	a := run.assoc
	a.mu.Lock()
	defer a.mu.Unlock()
	a.via, a.roused = r.link, false
	for i := run.first; i >= 0; i = r.packets[i].next {
		p := &r.packets[i]
		if !a.done && a.core.State() == core.Closed && handshake(&p.pkt) {
			a.turn(now) // this is for the next association
		}
		if a.done {
			r.strays = append(r.strays, i)
			continue
		}
		a.handlePacket(now, p)
		if p.next >= 0 && a.core.AckNow() {
			a.transmit(now)
		}
	}
	if !a.done {
		a.turn(now)
	}
	r.note(a)
}

// note says that a packet was for a, or opened it. The caller holds a.mu.
func (r *reader) note(a *Association) {
	r.mixed = r.mixed || r.only != nil && r.only != a && !r.ended
	r.only, r.ended, r.waits = a, a.done, a.waited()
	r.roused = r.roused || a.roused
}

// handlePacket gives a packet to the machine. The caller holds a.mu.
func (a *Association) handlePacket(now time.Time, p *inPacket) {
	if handshake(&p.pkt) {
		// These involve the cookie keys, which all associations share.
		a.stack.keeper.mu.Lock()
		defer a.stack.keeper.mu.Unlock()
	}
	if len(a.tuples) == 0 || a.tuples[0].remote != p.in.Remote {
		a.rekey = a.rekey || !a.knows(p.in.Remote)
	}
	if a.tracer != nil {
		a.tracer.received(&p.in, p.pkt)
	}
	if p.pkt.VTag != a.tag {
		// This may be a restart, which must not mix old messages with new ones.
		_, _, a.unread = a.core.NextMessage()
	}
	a.core.HandlePacket(now, p.in, p.pkt)
}

// knows says whether the demux has a path to remote for a.
func (a *Association) knows(remote netip.AddrPort) bool {
	same := func(t tuple) bool { return t.remote == remote }
	return slices.ContainsFunc(a.tuples, same) || slices.ContainsFunc(a.claims, same)
}
