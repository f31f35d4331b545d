package coresim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
)

// Bulk is a transfer of much data over one link.
type Bulk struct {
	Bytes   int64
	Message int // bytes per message
	Link    simnet.Link
	Config  core.Config
	Seed    uint64
	// Calm ends the mishaps of the link when all has arrived: a late packet that finds no
	// association any more is answered by an ABORT.
	Calm bool
}

// BulkResult is how a transfer went.
type BulkResult struct {
	Took          time.Duration // simulated
	Packets       int           // sent by both ends
	Retransmitted uint64
	// What each end counted.
	Sender, Receiver core.Stats
}

// patternLen is prime, so that no shift by a power of two goes unnoticed.
const patternLen = 65_521

// stream is bytes without end of which any piece can be told from its place.
var stream = func() []byte {
	b := make([]byte, patternLen+1<<16)
	r := newSeeded(5, 5)
	_, _ = r.Read(b[:patternLen])
	copy(b[patternLen:], b)
	return b
}()

// piece is n bytes of the stream, at most 64 KiB, from an offset on.
func piece(off int64, n int) []byte {
	at := int(off % patternLen)
	return stream[at : at+n]
}

// Run transfers the data and ends the association gracefully. What arrives is
// compared byte by byte.
func (b *Bulk) Run() (res BulkResult, err error) {
	w := NewWorld(b.Seed)
	w.rarely = true
	w.Segments = 8
	err = catch(func() {
		x := w.Host("a", b.Config, netip.MustParseAddr("10.0.0.1"))
		y := w.Host("b", b.Config, netip.MustParseAddr("10.0.0.2"))
		y.Listen = true
		w.Net.SetDefaultLink(b.Link)
		tx := x.Dial(y, 5000, 1)
		w.Until(w.Now.Add(time.Hour), func() bool { return y.twin(tx) != nil && tx.State() == core.Established })
		rx := y.twin(tx)
		if rx == nil {
			fail("no association: %v", tx)
		}
		begin := w.Now
		b.transfer(tx, rx)
		res = BulkResult{Took: w.Now.Sub(begin), Packets: x.Sent + y.Sent, Retransmitted: tx.Stats().Retransmitted, Sender: tx.Stats(), Receiver: rx.Stats()}
		if b.Calm {
			w.Net.SetDefaultLink(simnet.Link{Delay: b.Link.Delay})
			w.Until(w.Now.Add(2*time.Second), func() bool { return false })
		}
		must(tx.Shutdown(x.now()), "shutdown")
		tx.drain()
		if !w.Until(w.Now.Add(time.Hour), func() bool { return tx.State() == core.Closed && rx.State() == core.Closed }) || tx.Err() != nil || rx.Err() != nil {
			fail("no graceful end\n%v\n%v", tx, rx)
		}
	})
	if err != nil {
		err = fmt.Errorf("seed %d: %w", b.Seed, err)
	}
	return res, err
}

// transfer moves all bytes.
func (b *Bulk) transfer(tx, rx *End) {
	w := tx.host.w
	var sent, got int64
	buf := make([]byte, 1<<16)
	moved := w.Now
	for {
		for sent < b.Bytes {
			n := int(min(int64(b.Message), b.Bytes-sent))
			err := tx.Send(tx.host.now(), &core.Outgoing{PPID: 51}, piece(sent, n))
			if errors.Is(err, core.ErrWouldBlock) {
				break
			}
			must(err, "%v: Send", tx)
			sent += int64(n)
		}
		tx.drain()
		for {
			_, n, err := rx.Receive(rx.host.now(), buf)
			if errors.Is(err, core.ErrNoMessage) {
				break
			} else if errors.Is(err, io.EOF) {
				fail("%v: ended after %d bytes", rx, got)
			}
			must(err, "%v: Receive", rx)
			if !bytes.Equal(buf[:n], piece(got, n)) {
				fail("%v: bytes from %d on are not what was sent", rx, got)
			}
			got += int64(n)
			moved = w.Now
		}
		rx.drain()
		if got == b.Bytes {
			return
		}
		if !w.Step(w.Now.Add(time.Hour)) || w.Now.Sub(moved) > time.Hour {
			fail("%d of %d bytes arrived\n%v\n%v", got, b.Bytes, tx, rx)
		}
	}
}
