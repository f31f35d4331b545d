package ipsock

import (
	"errors"
	"sync/atomic"
	"syscall"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Stats are counters of a Socket; its fields are explained in package udpencap.
type Stats struct {
	Received, ReceivedBytes, Reads, ReadErrors, Truncated uint64
	Sent, SentBytes, Dropped, TooBig, GSOFallbacks        uint64

	Notices uint64

	GSO, GRO, DontFragment bool
	RecvBuffer, SendBuffer int
}

// counters are the atomic form of Stats.
type counters struct {
	received, receivedBytes, reads, readErrors, truncated atomic.Uint64
	sent, sentBytes, dropped, tooBig, gsoFallbacks        atomic.Uint64
	notices                                               atomic.Uint64
}

// Stats returns the counters. The single values are exact, but not taken at one
// instant.
func (s *Socket) Stats() Stats {
	c := &s.count
	recv, send := s.buffers()
	return Stats{
		Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(), Reads: c.reads.Load(),
		ReadErrors: c.readErrors.Load(), Truncated: c.truncated.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(), Dropped: c.dropped.Load(),
		TooBig: c.tooBig.Load(), GSOFallbacks: c.gsoFallbacks.Load(),
		Notices: c.notices.Load(), GSO: s.gso.Load(), GRO: s.gro, DontFragment: s.whole,
		RecvBuffer: recv, SendBuffer: send,
	}
}

// read counts what a ReadBatch returns.
func (c *counters) read(ds []carrier.Datagram) {
	datagrams, bytes := 0, 0
	for i := range ds {
		datagrams += ds[i].Count()
		bytes += len(ds[i].Data)
	}
	c.received.Add(uint64(datagrams))
	c.receivedBytes.Add(uint64(bytes))
	c.reads.Add(1)
}

// write counts datagrams that the kernel took.
func (c *counters) write(datagrams, bytes int) {
	c.sent.Add(uint64(datagrams))
	c.sentBytes.Add(uint64(bytes))
}

// drop counts datagrams that it refused because of err.
func (c *counters) drop(datagrams int, err error) {
	c.dropped.Add(uint64(datagrams))
	if errors.Is(err, syscall.EMSGSIZE) {
		c.tooBig.Add(uint64(datagrams))
	}
}
