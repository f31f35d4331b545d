package rx

import (
	"maps"

	"github.com/rserpool/rserpool/sctp/wire"
)

// stream is the receiving side of one stream.
type stream struct {
	id         wire.StreamID
	next       wire.SSN
	head, tail *message // deliverable, oldest first
	partial    *message // under partial delivery: nothing behind it can be read yet
}

// idle says that all there is to remember of the stream is its sequence number.
func (s *stream) idle() bool { return s.head == nil && s.partial == nil }

// streams is the streams of an inbox. A peer may use all 65,535 of them, each once:
// those without messages shrink to their sequence number when there are many.
type streams struct {
	table  map[wire.StreamID]*stream // nil while there is but one stream, which is recent
	recent *stream                   // the one used last
	sweep  int                       // how large the table may become
	pages  []*[pageSize]wire.SSN
	free   []*stream
}

const (
	// pageSize is how many streams share a page of sequence numbers.
	pageSize = 256
	// minSweep is how many streams are worth the search for idle ones.
	minSweep = 1024
)

// lookup finds a stream that may have messages, nil if it has none.
func (t *streams) lookup(id wire.StreamID) *stream {
	if t.recent != nil && t.recent.id == id {
		return t.recent
	}
	return t.table[id]
}

// get finds or makes a stream.
func (t *streams) get(id wire.StreamID) *stream {
	if t.recent != nil && t.recent.id == id {
		return t.recent
	}
	s := t.table[id]
	if s == nil {
		s = t.add(id)
	}
	t.recent = s
	return s
}

func (t *streams) add(id wire.StreamID) *stream {
	if t.table == nil && t.recent != nil {
		t.table, t.sweep = map[wire.StreamID]*stream{t.recent.id: t.recent}, minSweep
	}
	if t.table != nil && len(t.table) >= t.sweep {
		t.shrink()
		t.sweep = max(minSweep, 2*len(t.table))
	}
	var s *stream
	if n := len(t.free); n > 0 {
		s = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		s = new(stream)
	}
	*s = stream{id: id, next: t.remembered(id)}
	if t.table != nil {
		t.table[id] = s
	}
	return s
}

// shrink keeps of the streams without messages their sequence numbers only.
func (t *streams) shrink() {
	for id, s := range t.table {
		if !s.idle() {
			continue
		}
		t.remember(s)
		delete(t.table, id)
		if len(t.free) < minSweep {
			t.free = append(t.free, s)
		}
	}
	t.recent = nil
}

// remembered is the next sequence number of a stream that is not in the table.
func (t *streams) remembered(id wire.StreamID) wire.SSN {
	if i := int(id) / pageSize; i < len(t.pages) && t.pages[i] != nil {
		return t.pages[i][int(id)%pageSize]
	}
	return 0
}

// remember files the next sequence number of a stream.
func (t *streams) remember(s *stream) {
	i := int(s.id) / pageSize
	if i >= len(t.pages) {
		pages := make([]*[pageSize]wire.SSN, i+1)
		copy(pages, t.pages)
		t.pages = pages
	}
	if t.pages[i] == nil {
		t.pages[i] = new([pageSize]wire.SSN)
	}
	t.pages[i][int(s.id)%pageSize] = s.next
}

// trim gives pooled memory back to the garbage collector.
func (t *streams) trim() {
	t.free = nil
	if len(t.table) > minSweep/2 {
		t.shrink()
		t.free = nil
		small := make(map[wire.StreamID]*stream, len(t.table)) // maps do not shrink
		maps.Copy(small, t.table)
		t.table = small
	}
}
