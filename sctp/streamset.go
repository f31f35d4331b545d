package sctp

// streamLine is streams in the order they were put in, each once. An association may
// have 65,535 of them: those that are not in it cost nothing, and finding out takes
// no search.
type streamLine struct {
	ids   []StreamID
	head  int           // of ids: those before it are gone
	pages []*streamBits // which ones are in it
}

// streamBits is a bit for each of 256 streams.
type streamBits [4]uint64

// holds says whether a stream is in the line.
func (l *streamLine) holds(id StreamID) bool {
	i := int(id >> 8)
	return i < len(l.pages) && l.pages[i] != nil && l.pages[i][id>>6&3]>>(id&63)&1 != 0
}

// put adds a stream at the end; false if it is in the line already.
func (l *streamLine) put(id StreamID) bool {
	if l.holds(id) {
		return false
	}
	i := int(id >> 8)
	if i >= len(l.pages) {
		pages := make([]*streamBits, i+1)
		copy(pages, l.pages)
		l.pages = pages
	}
	if l.pages[i] == nil {
		l.pages[i] = new(streamBits)
	}
	l.pages[i][id>>6&3] |= 1 << (id & 63)
	l.ids = append(l.ids, id)
	return true
}

// take removes the first stream, false if there is none.
func (l *streamLine) take() (StreamID, bool) {
	if l.head == len(l.ids) {
		return 0, false
	}
	id := l.ids[l.head]
	l.pages[id>>8][id>>6&3] &^= 1 << (id & 63)
	if l.head++; l.head == len(l.ids) {
		l.ids, l.head = l.ids[:0], 0
	}
	return id, true
}

// empty says whether there is no stream in the line.
func (l *streamLine) empty() bool { return l.head == len(l.ids) }
