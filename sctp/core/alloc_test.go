package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// lane is two associations that talk over nothing but memory: no simulated network,
// whose own memory would count.
type lane struct {
	t    testing.TB
	v    *victim
	a, b *core.Association
	bufs [2][]byte
	read []byte
	m    core.Outgoing
}

func newLane(t testing.TB, change func(*core.Config)) *lane {
	v := attacked(t, change)
	return &lane{t: t, v: v, a: v.a.only(), b: v.as, read: make([]byte, 1<<16),
		bufs: [2][]byte{make([]byte, 0, 1<<16), make([]byte, 0, 1<<16)}}
}

// pass carries all packets of one side to the other and empties its events.
func (l *lane) pass(from, to *core.Association, buf []byte) int {
	in := core.Inbound{Remote: addrA}
	if from == l.b {
		in.Remote = addrB
	}
	n := 0
	for {
		tr, ok := from.PollTransmit(l.v.w.now, buf, 8)
		if !ok {
			break
		}
		n++
		size := tr.SegmentSize
		if size == 0 {
			size = len(tr.Data)
		}
		for d := tr.Data; len(d) > 0; d = d[min(size, len(d)):] {
			pkt, err := wire.Parse(d[:min(size, len(d))])
			if err != nil {
				l.t.Fatal(err)
			}
			to.HandlePacket(l.v.w.now, in, pkt)
		}
	}
	for {
		if _, ok := from.PollEvent(); !ok {
			return n
		}
	}
}

// exchange sends messages of a size from a to b, and takes them out there.
func (l *lane) exchange(count, size int) {
	for range count {
		if err := l.a.Send(l.v.w.now, &l.m, l.read[:size]); err != nil {
			l.t.Fatal(err)
		}
	}
	for l.pass(l.a, l.b, l.bufs[0])+l.pass(l.b, l.a, l.bufs[1]) > 0 {
		for {
			if _, _, err := l.b.Receive(l.v.w.now, l.read); err != nil {
				break
			}
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		count, size int
		change      func(*core.Config)
		m           core.Outgoing
	}{
		"full packets":    {count: 20, size: 1400},
		"small messages":  {count: 200, size: 60},
		"large messages":  {count: 3, size: 40000},
		"one at a time":   {count: 1, size: 100},
		"unordered":       {count: 20, size: 500, m: core.Outgoing{Unordered: true, Stream: 3}},
		"nagle":           {count: 20, size: 100, change: func(c *core.Config) { c.NoDelay = false }},
		"sack per packet": {count: 20, size: 1000, change: func(c *core.Config) { c.SackFrequency = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLane(t, c.change)
			l.m = c.m
			for range 20 { // fill the pools, open the window
				l.exchange(c.count, c.size)
			}
			n := testing.AllocsPerRun(100, func() { l.exchange(c.count, c.size) })
			require.Zero(t, n, "send, receive and SACK paths")
			require.Zero(t, l.a.Buffered())
		})
	}
}

func TestLossAllocatesNothingInTheLongRun(t *testing.T) { // reordering: gaps, reassembly out of order
	v := attacked(t, nil)
	tsn, ssn := v.nextTSN(), wire.SSN(0)
	buf, in := make([]byte, 0, 4096), core.Inbound{Remote: addrA}
	read, out := make([]byte, 4096), make([]byte, 0, 4096)
	d := wire.Data{Payload: make([]byte, 900)}
	give := func(off wire.TSN, begin, end bool, ssn wire.SSN) {
		d.TSN, d.SSN, d.Begin, d.End = tsn+off, ssn, begin, end
		b := d.AppendTo(wire.Header{SrcPort: 5000, DstPort: 5001, VTag: v.as.LocalTag()}.AppendTo(buf))
		wire.SetChecksum(b)
		pkt, err := wire.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		v.as.HandlePacket(v.w.now, in, pkt)
		for {
			if _, ok := v.as.PollTransmit(v.w.now, out, 1); !ok {
				break
			}
		}
	}
	cycle := func() {
		give(1, true, true, ssn+1)
		give(4, false, true, ssn+2)
		give(2, true, false, ssn+2)
		give(2, true, false, ssn+2) // a duplicate
		give(3, false, false, ssn+2)
		give(0, true, true, ssn)
		tsn, ssn = tsn+5, ssn+3
		for {
			if _, _, err := v.as.Receive(v.w.now, read); err != nil {
				break
			}
		}
		for {
			if _, ok := v.as.PollEvent(); !ok {
				break
			}
		}
	}
	for range 50 {
		cycle()
	}
	require.Zero(t, testing.AllocsPerRun(200, cycle))
}

func TestHeartbeatAllocatesNothing(t *testing.T) {
	v := attacked(t, nil)
	hb := v.packet(&wire.Heartbeat{Info: make([]byte, 40)})
	pkt, err := wire.Parse(hb)
	require.NoError(t, err)
	out, in := make([]byte, 0, 4096), core.Inbound{Remote: addrA}
	answer := func() {
		v.as.HandlePacket(v.w.now, in, pkt)
		if _, ok := v.as.PollTransmit(v.w.now, out, 1); !ok {
			t.Fatal("no answer")
		}
	}
	answer()
	require.Zero(t, testing.AllocsPerRun(100, answer))
}
