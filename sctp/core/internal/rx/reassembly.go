package rx

import "github.com/rserpool/rserpool/sctp/wire"

// run is consecutive fragments of one incomplete message.
type run struct {
	info        Info
	first, last wire.TSN
	parts       chain
	begin, end  bool     // has the first, the last fragment
	open        *message // under partial delivery: fragments go here
}

func (r *run) same(d *wire.Data) bool {
	return r.info.Stream == d.Stream && r.info.PPID == d.PPID && r.info.Unordered == d.Unordered &&
		(d.Unordered || r.info.SSN == d.SSN)
}

// fragments finds the runs that a chunk may extend, in constant time however the
// peer scatters its fragments.
type fragments struct {
	growing *run              // the run that grew last, if it has no end: not in ends
	ends    map[wire.TSN]*run // runs without their end, by last TSN
	begins  map[wire.TSN]*run // runs without their begin, by first TSN
	count   int               // runs
}

// before is the run that t continues, nil if there is none.
func (s *fragments) before(t wire.TSN) *run {
	if s.growing != nil && s.growing.last.Add(1) == t {
		return s.growing
	}
	return s.ends[t.Add(^uint32(0))]
}

// after is the run that continues t, nil if there is none.
func (s *fragments) after(t wire.TSN) *run { return s.begins[t.Add(1)] }

// surround says whether t would interrupt a message.
func (s *fragments) surround(t wire.TSN) bool { return s.before(t) != nil || s.after(t) != nil }

// leave takes a run out of the tables, because it changes.
func (s *fragments) leave(r *run) {
	if s.growing == r {
		s.growing = nil
	} else if !r.end {
		delete(s.ends, r.last)
	}
	if !r.begin {
		delete(s.begins, r.first)
	}
	s.count--
}

// enter puts a run into the tables as the one that grew last.
func (s *fragments) enter(r *run) {
	s.count++
	if !r.begin {
		if s.begins == nil {
			s.begins = make(map[wire.TSN]*run)
		}
		s.begins[r.first] = r
	}
	if r.end {
		return
	}
	if g := s.growing; g != nil {
		if s.ends == nil {
			s.ends = make(map[wire.TSN]*run)
		}
		s.ends[g.last] = g
	}
	s.growing = r
}

// trim gives memory back that fragments in disorder once needed.
func (s *fragments) trim() {
	if s.count == 0 {
		*s = fragments{}
	}
}

// fits checks a chunk against what was received next to it: a message's fragments
// have consecutive TSNs, begin with B and end with E (RFC 9260 §6.9).
func fits(d *wire.Data, m *TSNMap, left, right *run) bool {
	switch {
	case left != nil:
		if d.Begin || !left.same(d) {
			return false
		}
	case !d.Begin && m.Received(d.TSN.Add(^uint32(0))):
		return false // the chunk before ends a message
	}
	switch {
	case right != nil:
		return !d.End && right.same(d)
	case !d.End && m.Received(d.TSN.Add(1)):
		return false // the chunk behind begins one
	}
	return true
}

// fragment files one fragment of a longer message.
func (x *Inbox) fragment(d *wire.Data, m *TSNMap) Verdict {
	left, right := x.frags.before(d.TSN), x.frags.after(d.TSN)
	if !fits(d, m, left, right) {
		return Violation
	}
	r := left
	if r == nil {
		r = x.pooled().run()
		*r = run{first: d.TSN, begin: d.Begin,
			info: Info{Stream: d.Stream, SSN: d.SSN, PPID: d.PPID, Unordered: d.Unordered}}
	} else {
		x.frags.leave(r)
	}
	r.last, r.end = d.TSN, d.End
	r.parts.append(x.store(d))
	if right != nil {
		x.frags.leave(right)
		r.last, r.end = right.last, right.end
		r.parts.join(&right.parts)
		x.pooled().putRun(right)
	}
	if r.open != nil {
		x.flush(r)
	}
	if r.begin && r.end {
		return x.finish(r, m.Cum())
	}
	x.frags.enter(r)
	return Accepted
}

// finish turns a run that has both ends into a message.
func (x *Inbox) finish(r *run, cum wire.TSN) Verdict {
	x.arrived++
	x.reassembled++
	msg := r.open
	if msg == nil {
		msg = x.pooled().message()
		msg.info = r.info
		msg.info.TSN = r.first
		msg.parts, msg.whole = r.parts, true
		x.pooled().putRun(r)
		return x.complete(msg, cum)
	}
	x.pooled().putRun(r)
	msg.whole = true
	s := x.stream(msg.info.Stream)
	s.partial, x.partial = nil, nil
	for behind := msg.streamNext; behind != nil; behind = behind.streamNext {
		x.enqueue(behind)
	}
	if !msg.info.Unordered {
		x.advance(s)
	}
	return Accepted
}

// flush moves the fragments of a run under partial delivery to its message.
func (x *Inbox) flush(r *run) {
	msg := r.open
	msg.parts.join(&r.parts)
	if !msg.queued {
		x.woken.push(msg.info.Stream)
		x.enqueue(msg)
	}
}

// DeliverPartially begins partial delivery of the message that the cumulative TSN
// ends in, to free room for its rest (RFC 9260 §6.9). All messages before it are
// complete, so it is this one that keeps the others of its stream waiting, and no
// fragment of it that was acknowledged can be missing. It returns false if there
// is no such message or it is being delivered already.
func (x *Inbox) DeliverPartially(cum wire.TSN) bool {
	r := x.frags.before(cum.Add(1))
	if r == nil || !r.begin || r.open != nil {
		return false
	}
	s := x.stream(r.info.Stream)
	if s.partial != nil || !r.info.Unordered && r.info.SSN != s.next {
		return false
	}
	msg := x.pooled().message()
	msg.info = r.info
	msg.info.TSN = r.first
	msg.parts.join(&r.parts)
	r.open, s.partial, x.partial = msg, msg, msg
	x.deliver(s, msg)
	return true
}

// Incomplete is the number of runs of fragments that wait for the rest of their
// message.
func (x *Inbox) Incomplete() int { return x.frags.count }
