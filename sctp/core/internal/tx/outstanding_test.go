package tx

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/congestion"
	"github.com/rserpool/rserpool/sctp/core/internal/path"
	"github.com/rserpool/rserpool/sctp/wire"
)

func newPath(id int) *path.Path {
	return path.New(id, netip.MustParseAddrPort("192.0.2.1:9899"), netip.Addr{}, path.Active, &path.Config{
		RTOInitial: time.Second, RTOMin: time.Second, RTOMax: time.Minute, MTU: 1500, EncapOverhead: 8,
		NewController: func(_ netip.Addr, pmdcs int) congestion.Controller { return congestion.NewReno(pmdcs, 0) },
	})
}

// sender is a queue and a scoreboard.
type sender struct {
	t testing.TB
	q Queue
	o Outstanding
	// again: chunks may be fast retransmitted more than once.
	again bool
}

func newSender(t testing.TB, first wire.TSN) *sender {
	s := &sender{t: t}
	s.o.Init(first)
	return s
}

// send queues a message and sends it whole on p.
func (s *sender) send(p *path.Path, n int) wire.TSN {
	s.q.Push(&Props{}, make([]byte, n))
	return s.o.Push(s.q.Cut(n), p)
}

// sack applies a SACK and returns how many chunks it made be marked.
func (s *sender) sack(cum wire.TSN, recovery bool, gaps ...wire.GapBlock) (Acked, int) {
	var a Acked
	s.o.AckCum(cum, &s.q, &a)
	s.o.AckGaps(gaps, &a)
	return a, s.o.CountMisses(&a, recovery, s.again)
}

// audit counts everything anew.
func (s *sender) audit(paths ...*path.Path) {
	marked, gaps, bytes := 0, 0, 0
	flight := map[*path.Path]int{}
	oldest := map[*path.Path]wire.TSN{}
	for t := s.o.base; t != s.o.next; t = t.Add(1) {
		c := s.o.At(t)
		switch c.fate {
		case lost:
			marked++
			require.False(s.t, t.Less(s.o.hint))
		case gapAcked:
			gaps++
		case inFlight:
			bytes += int(c.Len)
			flight[c.Path] += c.size()
			if _, ok := oldest[c.Path]; !ok {
				oldest[c.Path] = t
			}
		}
	}
	require.Equal(s.t, marked, s.o.Lost())
	require.Equal(s.t, gaps, s.o.gaps)
	require.Equal(s.t, bytes, s.o.InFlight())
	for _, p := range paths {
		require.Equal(s.t, flight[p], p.InFlight)
		s.o.Settle(p)
		if p.InFlight > 0 {
			require.Equal(s.t, oldest[p], p.Oldest)
		}
	}
}

func TestCountsStayConsistent(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		s := newSender(t, wire.TSN(0xffffff80))
		paths := []*path.Path{newPath(0), newPath(1)}
		acked, sent := 0, 0
		for range 600 {
			p := paths[r.IntN(2)]
			switch r.IntN(6) {
			case 0, 1:
				sent += 100
				s.send(p, 100)
			case 2, 3:
				var gaps []wire.GapBlock
				at := 1
				for range r.IntN(4) {
					at += 1 + r.IntN(5)
					end := at + r.IntN(4)
					gaps = append(gaps, wire.GapBlock{Start: uint16(at), End: uint16(end)})
					at = end
				}
				cum := s.o.CumAck().Add(uint32(r.IntN(s.o.Len() + 1)))
				before := s.q.Held()
				_, _ = s.sack(cum, r.IntN(2) == 0, gaps...)
				acked += (before - s.q.Held()) / (100 + Overhead) * 100
			case 4:
				s.o.MarkPathLost(p)
				require.Zero(t, p.InFlight)
			case 5:
				for range r.IntN(5) {
					if tsn, c := s.o.NextLost(); c != nil {
						s.o.Resend(tsn, p)
					}
				}
			}
			s.audit(paths...)
			require.Equal(t, sent-acked, s.o.Len()*100)
			require.Equal(t, s.o.Len(), s.q.Messages())
		}
	}
}

func TestWindowCountsWholeChunks(t *testing.T) { // RFC 9260 §7.2; §6.2.1 counts user data
	s, p := newSender(t, 1), newPath(0)
	s.send(p, 1)
	require.Equal(t, 20, p.InFlight)
	require.Equal(t, 1, s.o.InFlight())
	s.send(p, 4)
	require.Equal(t, 40, p.InFlight)
	require.Equal(t, 5, s.o.InFlight())
	a, _ := s.sack(2, false)
	require.Equal(t, 40, p.Acked)
	require.Equal(t, 5, a.Bytes)
	require.Zero(t, p.InFlight)
}

func TestMissesFollowTheHighestNewlyAcknowledged(t *testing.T) { // RFC 9260 §7.2.4
	s, p := newSender(t, 1), newPath(0)
	for range 10 {
		s.send(p, 10)
	}
	gap := func(a, b uint16) wire.GapBlock { return wire.GapBlock{Start: a, End: b} }
	_, n := s.sack(0, false, gap(5, 5)) // 1-4 once
	require.Zero(t, n)
	_, n = s.sack(0, false, gap(3, 3), gap(5, 5)) // 3 is new: 1, 2 twice, 4 still once
	require.Zero(t, n)
	_, n = s.sack(0, false, gap(3, 3), gap(5, 6)) // 1, 2 thrice
	require.Equal(t, 2, n)
	require.Equal(t, uint8(2), s.o.At(4).misses)
	require.True(t, p.LossSeen)
	// In Fast Recovery a SACK that moves the cumulative point counts for all.
	_, n = s.sack(1, true, gap(2, 2), gap(4, 5))
	require.Equal(t, 1, n)
	// Marked once, never again.
	for tsn, c := s.o.NextLost(); c != nil; tsn, c = s.o.NextLost() {
		s.o.Resend(tsn, p)
	}
	for end := uint16(6); end <= 9; end++ {
		_, n = s.sack(1, true, gap(2, 2), gap(4, end))
		require.Zero(t, n)
	}
}

// RFC 9260 §7.2.4, but for step 5: what tells that a retransmission is missing left after
// it, to the same address, and was sent once.
func TestMissesOfRetransmissions(t *testing.T) {
	s, p, q := newSender(t, 1), newPath(0), newPath(1)
	s.again = true
	gap := func(b uint16) wire.GapBlock { return wire.GapBlock{Start: 2, End: b} }
	for range 4 {
		s.send(p, 10)
	}
	for end := uint16(2); end <= 4; end++ {
		s.sack(0, false, gap(end))
	}
	s.o.Resend(1, p)
	for range 4 {
		s.send(q, 10) // 5 to 8
	}
	for range 8 {
		s.send(p, 10) // 9 to 16
	}
	for _, c := range []struct {
		end    uint16
		misses uint8
		why    string
	}{
		{5, 0, "another address"},
		{8, 0, "another address"},
		{9, 1, "left later"},
		{9, 1, "nothing new"},
		{10, 2, "left later"},
	} {
		q.Clean, p.Clean = false, false
		a, n := s.sack(0, true, gap(c.end))
		require.Zero(t, n)
		require.False(t, a.Again)
		require.Equal(t, c.misses, s.o.At(1).misses, c.why)
	}
	p.Clean = false
	a, n := s.sack(0, true, gap(11))
	require.Equal(t, 1, n)
	require.True(t, a.Again)
	require.Equal(t, wire.TSN(5), a.Resent)
	// What is itself sent again may be acknowledged for its first transmission.
	s.o.Resend(1, p)
	s.send(p, 10) // 17
	s.o.MarkLost(17)
	s.o.Resend(17, p)
	p.Clean = false
	s.sack(0, true, wire.GapBlock{Start: 2, End: 11}, wire.GapBlock{Start: 17, End: 17})
	require.Zero(t, s.o.At(1).misses)
	s.audit(p, q)
}

func TestRenegingCountsOneMiss(t *testing.T) { // RFC 9260 §6.2.1 D iii
	s, p := newSender(t, 1), newPath(0)
	for range 4 {
		s.send(p, 10)
	}
	a, _ := s.sack(0, false, wire.GapBlock{Start: 2, End: 4})
	require.False(t, a.Reneged)
	require.True(t, s.o.Acknowledged(3))
	a, _ = s.sack(0, false, wire.GapBlock{Start: 4, End: 4})
	require.True(t, a.Reneged)
	require.False(t, a.Any())
	require.Equal(t, uint8(1), s.o.At(2).misses)
	require.False(t, s.o.Acknowledged(3))
	require.True(t, s.o.Acknowledged(0))
	require.False(t, s.o.Acknowledged(9))
}

func TestStrangeGapBlocks(t *testing.T) { // K4
	for name, c := range map[string]struct {
		gaps  []wire.GapBlock
		acked []wire.TSN
	}{
		"overlapping":   {[]wire.GapBlock{{Start: 2, End: 4}, {Start: 3, End: 6}}, []wire.TSN{2, 3, 4, 5, 6}},
		"the same":      {[]wire.GapBlock{{Start: 2, End: 3}, {Start: 2, End: 3}}, []wire.TSN{2, 3}},
		"touching":      {[]wire.GapBlock{{Start: 2, End: 3}, {Start: 4, End: 4}}, []wire.TSN{2, 3, 4}},
		"descending":    {[]wire.GapBlock{{Start: 5, End: 6}, {Start: 2, End: 3}}, []wire.TSN{5, 6}},
		"upside down":   {[]wire.GapBlock{{Start: 4, End: 2}}, nil},
		"zero":          {[]wire.GapBlock{{Start: 0, End: 5}}, nil},
		"not sent":      {[]wire.GapBlock{{Start: 8, End: 9}}, nil},
		"partly sent":   {[]wire.GapBlock{{Start: 6, End: 9}, {Start: 7, End: 7}}, []wire.TSN{7}},
		"as far as can": {[]wire.GapBlock{{Start: 65535, End: 65535}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newSender(t, 1), newPath(0)
			for range 7 {
				s.send(p, 10)
			}
			s.sack(0, false, c.gaps...)
			for tsn := wire.TSN(1); tsn <= 7; tsn++ {
				want := false
				for _, a := range c.acked {
					want = want || a == tsn
				}
				require.Equal(t, want, s.o.Acknowledged(tsn), "TSN %d", tsn)
			}
			s.audit(p)
		})
	}
}

// K6: a SACK with as many blocks as fit one costs time in proportion to them.
func TestManyGapBlocksAreLinear(t *testing.T) {
	s, p := newSender(t, 1), newPath(0)
	for range 40000 {
		s.send(p, 1)
	}
	var gaps []wire.GapBlock
	for i := uint16(2); len(gaps) < 16000; i += 2 {
		gaps = append(gaps, wire.GapBlock{Start: i, End: i})
	}
	require.Less(t, least(50, func() { s.sack(0, false, gaps...) }), 100*time.Millisecond)
	s.audit(p)
}

// least is the shortest of many runs: what f takes while nobody else has the processor.
func least(runs int, f func()) time.Duration {
	least := time.Hour
	for range runs {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	return least
}

func TestRefusedChunk(t *testing.T) { // RFC 9260 §6.1 A
	s, p := newSender(t, 1), newPath(0)
	require.False(t, s.o.Refused(1000))
	require.Zero(t, s.o.EarliestLen())
	s.send(p, 100)
	require.Equal(t, 100, s.o.EarliestLen())
	require.False(t, s.o.Refused(100), "it was sent within the window and may be on its way")
	s.o.At(1).Probe = true
	require.False(t, s.o.Refused(99), "does not fit yet")
	require.True(t, s.o.Refused(100))
	require.Equal(t, 1, s.o.Lost())
	require.False(t, s.o.Refused(100), "marked already")
	s.o.Resend(1, p)
	s.o.At(1).Probe = false
	require.True(t, s.o.Refused(100), "sent twice")
}

func TestScoreboardHoldsWhatAGapBlockCanTell(t *testing.T) { // RFC 9260 §3.3.4
	s, p := newSender(t, 7), newPath(0)
	for !s.o.Full() {
		s.send(p, 1)
	}
	require.Equal(t, 65535, s.o.Len())
	s.sack(7, false)
	require.False(t, s.o.Full())
	s.o.Trim()
	require.NotNil(t, s.o.ring, "not while something is outstanding")
	s.sack(7+65534, false)
	s.o.Trim()
	require.Nil(t, s.o.ring)
	s.send(p, 1)
	s.audit(p)
}
