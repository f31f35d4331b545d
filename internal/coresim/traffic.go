package coresim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// maxMessage is the size of the largest message that users send.
const maxMessage = 40_000

// Flow is one direction of an association: a user who sends and one who reads.
// Message i has the number i as its payload protocol identifier, and bytes that
// follow from it, so that the reader can tell what it got.
type Flow struct {
	Left int // messages to send
	Got  int // messages that arrived

	tx, rx *End
	r      *rand.Rand
	first  uint32 // numbers below are of an earlier life of the peer
	next   uint32
	sent   map[uint32]int             // sizes of the messages that have not arrived
	order  map[wire.StreamID][]uint32 // ordered ones of these, by stream

	struck  map[uint32]bool // given up: they must not arrive
	writing *writing        // a message that is being sent piece by piece
	pieces  int             // one message in so many is

	dataIn  uint64 // chunks that had arrived when it was last looked at
	streams int
	paused  time.Time // the reader sleeps until then
	buf     []byte
	told    bool // the users act on events only, as those of package sctp do
	blocked bool // the writer waits for EventWritable
	big     int  // one message in so many is large
}

// partMessage is what was read of a message.
type partMessage struct {
	id   uint32
	n    int
	info core.Incoming
}

// newFlow makes a flow between the ends of an association with random habits.
func newFlow(r *rand.Rand, tx, rx *End, first uint32) *Flow {
	return &Flow{
		Left: 1 + r.IntN(150), tx: tx, rx: rx, r: r, first: first, next: first,
		sent: map[uint32]int{}, struck: map[uint32]bool{}, order: map[wire.StreamID][]uint32{},
		streams: min(tx.OutStreams(), pick(r, 1, 3, 8, 500)), buf: make([]byte, 1+r.IntN(3000)),
		told: r.IntN(2) == 0, big: pick(r, 2, 8, 8, 1000), pieces: pick(r, 5, 30, 1000),
	}
}

// Missing is the number of messages that were sent and have not arrived.
func (f *Flow) Missing() int { return len(f.sent) }

// idle says that all was sent and has arrived.
func (f *Flow) idle() bool { return f.Left <= 0 && f.writing == nil && len(f.sent) == 0 }

// body is byte i of a message.
func body(id uint32, i int) byte { return byte(int(id)*31 + i*7 + i>>8) }

// pump sends what there is room for, unless it is over, and reads what arrived. It
// reports whether something did since the last time.
func (f *Flow) pump(over bool) bool {
	f.write(over)
	f.takeBack()
	in := f.rx.Stats().DataIn
	progress := in > f.dataIn
	f.dataIn = in
	if f.paused.After(f.tx.host.w.Now) {
		return progress
	}
	if f.told {
		return f.readTold() || progress
	}
	for f.read(f.rx.Receive(f.rx.host.now(), f.buf)) {
		progress = true
	}
	if progress {
		f.rx.drain()
	}
	return progress
}

// readTold reads the streams that events named, each until it is empty.
func (f *Flow) readTold() bool {
	progress := false
	for len(f.rx.order) > 0 {
		id := f.rx.order[0]
		f.rx.order = f.rx.order[1:]
		delete(f.rx.readable, id)
		for f.read(f.rx.ReceiveStream(f.rx.host.now(), id, f.buf)) {
			progress = true
		}
		f.rx.drain()
	}
	return progress
}

// read checks what a read returned: each message comes once, unchanged, and in the
// order of its stream. False: there was nothing.
func (f *Flow) read(info core.Incoming, n int, err error) bool {
	if err != nil {
		return false
	}
	id := uint32(info.PPID)
	p := f.rx.open[info.Stream]
	if p == nil {
		p = &partMessage{id: id, info: info}
		f.rx.open[info.Stream] = p
	}
	if p.id != id || p.info.SSN != info.SSN || p.info.TSN != info.TSN || p.info.Unordered != info.Unordered {
		fail("%v: message %d continues as %d: %+v %+v", f.rx, p.id, id, p.info, info)
	}
	for i, b := range f.buf[:n] {
		if b != body(id, p.n+i) {
			fail("%v: message %d: byte %d", f.rx, id, p.n+i)
		}
	}
	p.n += n
	if !info.End {
		return n > 0
	}
	delete(f.rx.open, info.Stream)
	if id < f.first {
		return true // received whole before the peer restarted
	}
	f.arrived(id, p.n, info)
	return true
}

// arrived checks a message off.
func (f *Flow) arrived(id uint32, n int, info core.Incoming) {
	want, ok := f.sent[id]
	switch {
	case !ok:
		fail("%v: message %d was not sent, or came twice", f.rx, id)
	case want != n:
		fail("%v: message %d has %d bytes, %d were sent", f.rx, id, n, want)
	}
	delete(f.sent, id)
	f.Got++
	if info.Unordered {
		return
	}
	if q := f.order[info.Stream]; len(q) == 0 || q[0] != id {
		fail("%v: message %d came before %v of stream %d", f.rx, id, q, info.Stream)
	}
	f.order[info.Stream] = f.order[info.Stream][1:]
}

func (f *Flow) String() string {
	_, n, ok := f.rx.NextMessage()
	return fmt.Sprintf("%s to %s: %d arrived, %d on the way, %d left, by events %v, writer blocked %v (%+v, send buffer %d), readable %v (%d bytes), reader sleeps for %v",
		f.tx.host.name, f.rx.host.name, f.Got, len(f.sent), f.Left, f.told, f.blocked, f.writing, f.tx.host.Config.SendBuffer, ok, n, max(f.paused.Sub(f.tx.host.w.Now), 0))
}
