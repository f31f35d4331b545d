package rx

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// rig is an inbox with its map of TSNs.
type rig struct {
	t testing.TB
	x Inbox
	m TSNMap
}

func newRig(t testing.TB, limit int, first wire.TSN) *rig {
	r := &rig{t: t}
	r.x.Init(limit)
	r.m.Init(first - 1)
	return r
}

func (r *rig) insert(d *wire.Data) Verdict {
	require.Equal(r.t, New, r.m.Check(d.TSN))
	r.m.Add(d.TSN)
	return r.x.Insert(d, &r.m)
}

func chunk(tsn wire.TSN, ssn wire.SSN, flags, text string) *wire.Data {
	d := &wire.Data{TSN: tsn, SSN: ssn, Payload: []byte(text)}
	for _, f := range flags {
		switch f {
		case 'B':
			d.Begin = true
		case 'E':
			d.End = true
		case 'U':
			d.Unordered = true
		}
	}
	return d
}

// read takes one message, or what there is of it.
func (r *rig) read() (string, bool) {
	buf := make([]byte, 1<<16)
	info, n, ok := r.x.Read(buf)
	require.True(r.t, ok)
	return string(buf[:n]), info.End
}

// sent is a message of the random test below: what a sender cut into chunks.
type sent struct {
	stream    wire.StreamID
	ssn       wire.SSN
	unordered bool
	body      []byte
}

// send cuts random messages into chunks with consecutive TSNs.
func send(r *rand.Rand, first wire.TSN, count, streams int) ([]sent, []*wire.Data) {
	var msgs []sent
	var chunks []*wire.Data
	next := make([]wire.SSN, streams)
	for i := range next {
		next[i] = 0
	}
	tsn := first
	for i := range count {
		m := sent{stream: wire.StreamID(r.IntN(streams)), unordered: r.IntN(4) == 0}
		if !m.unordered {
			m.ssn = next[m.stream]
			next[m.stream]++
		}
		parts := 1
		if r.IntN(2) == 0 {
			parts = 1 + r.IntN(6)
		}
		for p := range parts {
			payload := fmt.Appendf(nil, "%d.%d;", i, p)
			m.body = append(m.body, payload...)
			chunks = append(chunks, &wire.Data{TSN: tsn, Stream: m.stream, SSN: m.ssn, PPID: wire.PPID(i),
				Unordered: m.unordered, Begin: p == 0, End: p == parts-1, Payload: payload})
			tsn++
		}
		msgs = append(msgs, m)
	}
	return msgs, chunks
}

func TestRandomArrivalIsReassembledInOrder(t *testing.T) { // RFC 9260 §6.6, §6.9
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 2))
		first := wire.TSN(r.Uint32())
		if seed%3 == 0 {
			first = 0xffffffe0
		}
		msgs, chunks := send(r, first, 120, 1+r.IntN(4))
		for i := range chunks { // bounded disorder
			j := min(len(chunks)-1, i+r.IntN(30))
			chunks[i], chunks[j] = chunks[j], chunks[i]
		}
		g := newRig(t, 1<<20, first)
		open := map[wire.StreamID][]byte{}
		got := map[wire.StreamID][]int{} // ordered messages by stream
		seen := map[int]bool{}
		drain := func() {
			buf := make([]byte, 1+r.IntN(20))
			for {
				info, n, ok := g.x.Read(buf)
				if !ok {
					return
				}
				open[info.Stream] = append(open[info.Stream], buf[:n]...)
				if !info.End {
					continue
				}
				i := int(info.PPID)
				require.False(t, seen[i], "message %d twice", i)
				seen[i] = true
				require.Equal(t, string(msgs[i].body), string(open[info.Stream]), "seed %d", seed)
				require.Equal(t, msgs[i].unordered, info.Unordered)
				if !info.Unordered {
					got[info.Stream] = append(got[info.Stream], i)
				}
				open[info.Stream] = nil
			}
		}
		for _, c := range chunks {
			require.Equal(t, Accepted, g.insert(c), "seed %d", seed)
			if seed%2 == 0 && r.IntN(3) == 0 {
				g.x.DeliverPartially(g.m.Cum())
			}
			if r.IntN(4) == 0 {
				drain()
			}
		}
		drain()
		require.Len(t, seen, len(msgs), "seed %d", seed)
		for _, order := range got {
			require.True(t, slices.IsSorted(order), "seed %d: %v", seed, order)
		}
		require.Zero(t, g.x.charged)
		require.Zero(t, g.x.Held())
		require.Zero(t, g.x.Readable())
		require.Zero(t, g.x.Incomplete())
		require.Empty(t, g.x.pending)
		require.Empty(t, g.x.frags.ends)
		require.Empty(t, g.x.frags.begins)
	}
}

func TestManyOrderedMessagesOnTheWay(t *testing.T) { // RFC 9260 §6.1: up to 2^16-1 per stream
	for _, n := range []int{32767, 32768, 65534} {
		g := newRig(t, 1<<26, 1)
		for i := 1; i <= n; i++ { // all but the first
			require.Equal(t, Accepted, g.insert(chunk(1+wire.TSN(i), wire.SSN(i), "BE", "x")), "message %d", i)
		}
		require.Zero(t, g.x.Readable())
		require.Equal(t, Accepted, g.insert(chunk(1, 0, "BE", "x")))
		require.Equal(t, n+1, g.x.Readable())
		for i := range n + 1 {
			info, _, ok := g.x.Read(make([]byte, 9))
			require.True(t, ok)
			require.Equal(t, wire.SSN(i), info.SSN)
		}
	}
}

func TestSequenceNumberOfThePastIsAViolation(t *testing.T) {
	g := newRig(t, 1<<20, 1)
	require.Equal(t, Accepted, g.insert(chunk(1, 0, "BE", "a")))
	require.Equal(t, Accepted, g.insert(chunk(2, 1, "BE", "b")))
	// 1, 2 are read or readable; 5 lies three TSNs ahead, so it can be two numbers
	// ahead at most.
	require.Equal(t, Accepted, g.insert(chunk(5, 4, "BE", "e")))
	require.Equal(t, Violation, g.insert(chunk(6, 6, "BE", "f")))
	require.Equal(t, Violation, g.insert(chunk(7, 0, "BE", "g")))
	require.Equal(t, Violation, g.insert(chunk(8, 4, "BE", "twice")))
}

func TestPartialDeliveryHoldsBackItsStream(t *testing.T) { // RFC 9260 §6.9
	for _, u := range []string{"", "U"} {
		g := newRig(t, 1<<20, 1)
		require.False(t, g.x.DeliverPartially(0))
		require.Equal(t, Accepted, g.insert(chunk(1, 0, "B"+u, "one ")))
		require.True(t, g.x.DeliverPartially(1))
		require.False(t, g.x.DeliverPartially(1), "under way already")
		text, end := g.read()
		require.Equal(t, "one ", text)
		require.False(t, end)
		require.Zero(t, g.x.Readable())
		require.Equal(t, Accepted, g.insert(chunk(4, 0, "UBE", "later")))
		require.Equal(t, Accepted, g.insert(chunk(3, 0, "E"+u, "three")))
		require.Zero(t, g.x.Readable())
		_, _, ok := g.x.PeekStream(0)
		require.False(t, ok)
		require.Equal(t, Accepted, g.insert(chunk(2, 0, u, "two ")))
		text, end = g.read()
		require.Equal(t, "two three", text)
		require.True(t, end)
		text, end = g.read()
		require.Equal(t, "later", text)
		require.True(t, end)
		require.Zero(t, g.x.charged)
	}
}

func TestPartialDeliveryUsesUpItsSequenceNumber(t *testing.T) {
	g := newRig(t, 1<<20, 1)
	require.Equal(t, Accepted, g.insert(chunk(1, 0, "B", "one")))
	require.True(t, g.x.DeliverPartially(1))
	require.Equal(t, Violation, g.insert(chunk(4, 0, "BE", "a second message 0")))
	require.Equal(t, Accepted, g.insert(chunk(3, 1, "BE", "next")))
	require.Equal(t, Accepted, g.insert(chunk(2, 0, "E", "two")))
	text, _ := g.read()
	require.Equal(t, "onetwo", text)
	text, _ = g.read()
	require.Equal(t, "next", text)
}

func TestChunkOfNoStreamInTheMiddleOfAMessage(t *testing.T) {
	g := newRig(t, 1<<20, 1)
	require.Equal(t, Accepted, g.x.Skip(1))
	g.m.Add(1)
	require.Equal(t, Accepted, g.insert(chunk(2, 0, "B", "a")))
	require.Equal(t, Violation, g.x.Skip(3))
	require.Equal(t, Accepted, g.x.Skip(4))
	require.Equal(t, Accepted, g.insert(chunk(7, 0, "E", "z")))
	require.Equal(t, Violation, g.x.Skip(6))
}

func TestRestartKeepsWhatIsWhole(t *testing.T) { // RFC 9260 §5.2.4 action A
	g := newRig(t, 1<<20, 1)
	g.insert(chunk(1, 0, "BE", "whole"))
	g.insert(chunk(2, 1, "B", "begin"))
	g.insert(chunk(9, 5, "BE", "out of turn"))
	g.insert(chunk(4, 0, "UBE", "unordered"))
	buf := make([]byte, 2)
	_, _, _ = g.x.Read(buf) // "wh"
	g.x.Restart()
	text, end := g.read()
	require.Equal(t, "ole", text)
	require.True(t, end)
	text, _ = g.read()
	require.Equal(t, "unordered", text)
	require.Zero(t, g.x.Readable())
	require.Zero(t, g.x.charged)
	g.m.Init(99)
	require.Equal(t, Accepted, g.insert(chunk(100, 0, "BE", "anew")))
	text, _ = g.read()
	require.Equal(t, "anew", text)
}

func TestEachStreamWakesOnce(t *testing.T) {
	g := newRig(t, 1<<26, 1)
	const n = 5000
	for i := range n {
		c := chunk(wire.TSN(1+i), 0, "BE", "x")
		c.Stream = wire.StreamID(i)
		require.Equal(t, Accepted, g.insert(c))
	}
	for i := range n {
		id, ok := g.x.TakeReadable()
		require.True(t, ok)
		require.Equal(t, wire.StreamID(i), id)
	}
	_, ok := g.x.TakeReadable()
	require.False(t, ok)
}

// A peer scatters middle fragments from the top of the window down, so that each is
// a run of its own.
func TestScatteredFragmentsCostNoMoreThanOthers(t *testing.T) {
	g := newRig(t, 1<<26, 1)
	start := time.Now()
	for tsn := wire.TSN(65534); tsn > 2; tsn -= 2 {
		require.Equal(t, Accepted, g.insert(chunk(tsn, 0, "", "x")))
	}
	require.Equal(t, 32766, g.x.Incomplete())
	for tsn := wire.TSN(65533); tsn > 2; tsn -= 2 {
		require.Equal(t, Accepted, g.insert(chunk(tsn, 0, "", "x")))
	}
	require.Equal(t, 1, g.x.Incomplete())
	require.Less(t, time.Since(start), 20*time.Second)
}

// M2: whatever the peer sends, memory stays in proportion to the buffer.
func TestMemoryIsWhatTheBufferSays(t *testing.T) {
	const limit = 1 << 20
	for name, next := range map[string]func(i int) *wire.Data{
		"tiny messages":       func(i int) *wire.Data { return chunk(wire.TSN(1+i), wire.SSN(i), "BE", "x") },
		"tiny, out of turn":   func(i int) *wire.Data { return chunk(wire.TSN(3+2*i), wire.SSN(1+i), "BE", "x") },
		"tiny, many streams":  func(i int) *wire.Data { c := chunk(wire.TSN(1+i), 0, "BE", "x"); c.Stream = wire.StreamID(i); return c },
		"scattered fragments": func(i int) *wire.Data { return chunk(wire.TSN(3+2*i), 0, "", "x") },
		"full packets":        func(i int) *wire.Data { return chunk(wire.TSN(1+i), wire.SSN(i), "BE", string(make([]byte, 1444))) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, limit, 1)
			before := heap()
			for i := range 30000 {
				c := next(i)
				if g.m.Check(c.TSN) != New || !g.x.HasRoom(c.TSN, len(c.Payload), &g.m) {
					break
				}
				g.m.Add(c.TSN)
				require.Equal(t, Accepted, g.x.Insert(c, &g.m))
			}
			held := heap() - before
			t.Logf("%d bytes of user data, %d of memory", g.x.Held(), held)
			require.Less(t, held, int64(3*limit))
			require.LessOrEqual(t, g.x.Held(), limit)
			runtime.KeepAlive(g)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestWindowAvoidsSillyValues(t *testing.T) { // RFC 9260 §6.2, RFC 1122 §4.2.3.3
	g := newRig(t, 20000, 1)
	for i := 0; g.x.HasRoom(wire.TSN(1+i), 100, &g.m); i++ {
		w := g.x.Window()
		require.True(t, w == 0 || w >= 1500, "%d", w)
		require.Equal(t, Accepted, g.insert(chunk(wire.TSN(1+i), wire.SSN(i), "BE", string(make([]byte, 100)))))
	}
	require.Zero(t, g.x.Window())
}

func TestTheNextChunkIsTakenIfAllWaitsForIt(t *testing.T) { // RFC 9260 §6.2
	g := newRig(t, 4096, 1)
	require.Equal(t, Accepted, g.insert(chunk(3, 1, "BE", string(make([]byte, 2000)))))
	require.False(t, g.x.HasRoom(4, 9000, &g.m))
	require.False(t, g.x.HasRoom(2, 9000, &g.m))
	require.True(t, g.x.HasRoom(2, 3000, &g.m), "it fills a hole")
	require.False(t, g.x.HasRoom(4, 3000, &g.m))
	require.True(t, g.x.HasRoom(1, 65000, &g.m), "or there would be no end of it")
	require.Equal(t, Accepted, g.insert(chunk(1, 0, "BE", string(make([]byte, 65000)))))
	require.False(t, g.x.HasRoom(2, 1, &g.m), "there is something to read now")
	require.Zero(t, g.x.Window())
}

func TestSteadyFlowAllocatesNothing(t *testing.T) {
	g := newRig(t, 1<<20, 1)
	buf := make([]byte, 1<<16)
	payload := make([]byte, 1000)
	tsn, ssn := wire.TSN(1), wire.SSN(0)
	d := &wire.Data{}
	step := func(tsn wire.TSN, ssn wire.SSN, begin, end bool) {
		*d = wire.Data{TSN: tsn, SSN: ssn, Begin: begin, End: end, Payload: payload}
		g.m.Add(tsn)
		if g.x.Insert(d, &g.m) != Accepted {
			t.Fatal("violation")
		}
	}
	cycle := func() {
		// A message in three fragments in disorder, and two whole ones in disorder.
		step(tsn+2, ssn, false, true)
		step(tsn, ssn, true, false)
		step(tsn+1, ssn, false, false)
		step(tsn+4, ssn+2, true, true)
		step(tsn+3, ssn+1, true, true)
		tsn, ssn = tsn+5, ssn+3
		for {
			if _, _, ok := g.x.Read(buf); !ok {
				break
			}
		}
		for {
			if _, ok := g.x.TakeReadable(); !ok {
				break
			}
		}
	}
	cycle()
	require.Zero(t, testing.AllocsPerRun(500, cycle))
	g.x.Trim()
	require.Zero(t, g.x.charged)
}

func TestPeekTellsWhatIsThere(t *testing.T) {
	g := newRig(t, 1<<20, 1)
	_, _, ok := g.x.Peek()
	require.False(t, ok)
	_, _, ok = g.x.ReadStream(5, nil)
	require.False(t, ok)
	c := chunk(1, 0, "BE", "hello")
	c.Stream = 5
	g.insert(c)
	info, n, ok := g.x.Peek()
	require.True(t, ok)
	require.Equal(t, 5, n)
	require.True(t, info.End)
	_, _, ok = g.x.PeekStream(4)
	require.False(t, ok)
	info, n, ok = g.x.ReadStream(5, nil)
	require.True(t, ok)
	require.Zero(t, n)
	require.False(t, info.End, "nothing fits an empty buffer")
	buf := binary.BigEndian.AppendUint64(nil, 0)
	info, n, ok = g.x.ReadStream(5, buf)
	require.True(t, ok)
	require.Equal(t, "hello", string(buf[:n]))
	require.True(t, info.End)
}
