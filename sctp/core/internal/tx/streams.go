package tx

import "github.com/rserpool/rserpool/sctp/wire"

// pageSize is how many streams share a page of sequence numbers.
const pageSize = 256

// sequence is the next stream sequence number of each stream (RFC 9260 §6.5). An
// association may have 65,535 streams and pays for the pages that it uses.
type sequence struct {
	pages []*[pageSize]wire.SSN
}

// next gives out the sequence number of the next ordered message of a stream.
func (q *sequence) next(s wire.StreamID) wire.SSN {
	i := int(s) / pageSize
	if i >= len(q.pages) {
		pages := make([]*[pageSize]wire.SSN, i+1)
		copy(pages, q.pages)
		q.pages = pages
	}
	if q.pages[i] == nil {
		q.pages[i] = new([pageSize]wire.SSN)
	}
	n := &q.pages[i][int(s)%pageSize]
	ssn := *n
	*n = ssn.Add(1)
	return ssn
}
