package tx

import "github.com/rserpool/rserpool/sctp/wire"

const (
	// lowStreams is how many streams have a small page of their own: most associations
	// use no others.
	lowStreams = 8
	// pageSize is how many streams share a page of sequence numbers.
	pageSize = 256
)

// sequence is the next stream sequence number of each stream (RFC 9260 §6.5). An
// association may have 65,535 streams and pays for the pages that it uses.
type sequence struct {
	low   *[lowStreams]wire.SSN
	pages []*[pageSize]wire.SSN
}

// next gives out the sequence number of the next ordered message of a stream.
func (q *sequence) next(s wire.StreamID) wire.SSN {
	n := q.of(s)
	ssn := *n
	*n = ssn.Add(1)
	return ssn
}

// of is where the number of a stream is kept.
func (q *sequence) of(s wire.StreamID) *wire.SSN {
	if s < lowStreams {
		if q.low == nil {
			q.low = new([lowStreams]wire.SSN)
		}
		return &q.low[s]
	}
	i := int(s) / pageSize
	if i >= len(q.pages) {
		pages := make([]*[pageSize]wire.SSN, i+1)
		copy(pages, q.pages)
		q.pages = pages
	}
	if q.pages[i] == nil {
		q.pages[i] = new([pageSize]wire.SSN)
	}
	return &q.pages[i][int(s)%pageSize]
}
