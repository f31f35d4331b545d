package handlespace

import (
	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/rserpool"
)

// PoolEntry is a pool and some of its elements, as an ENRP_HANDLE_TABLE_RESPONSE
// lists them (RFC 5353 §2.3).
type PoolEntry struct {
	Handle   rserpool.PoolHandle
	Elements []rserpool.PoolElement
}

// Cursor is a place between two pages of a handle table. The zero value is the
// beginning. It stays good whatever happens to the handlespace: an element that is
// there all the time is on exactly one page.
type Cursor struct {
	last    Key // the next page starts behind it
	started bool
}

// CursorAfter is the cursor for the page behind an element, which need not exist.
func CursorAfter(k Key) Cursor { return Cursor{last: k, started: true} }

// Last is the last element of the page before c; false at the beginning.
func (c Cursor) Last() (Key, bool) { return c.last, c.started }

// Page returns a page of the handle table: the elements whose owner is home, or
// all elements if home is 0, from c on, in order of key and grouped by pool. next
// is the cursor for the page behind it and more says whether there is one now.
//
// A page has at most maxElements elements, and its entries take at most maxBytes
// bytes as Pool Handle and Pool Element parameters; 0 or less means no limit. It
// has at least one element if any is left, even if that one is beyond maxBytes, so
// that paging comes to an end; Options.MaxElementBytes bounds what that can be.
func (s *Space) Page(home rserpool.RegistrarID, c Cursor, maxElements, maxBytes int) (page []PoolEntry, next Cursor, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := &s.all
	if home != 0 {
		o := s.owners[home]
		if o == nil {
			return nil, c, false
		}
		x = &o.index
	}
	next = c
	elements, bytes := 0, 0
	x.from(c.last, func(r *record) bool {
		if c.started && r.el.Key() == c.last {
			return true
		}
		need, fresh := r.bytes, len(page) == 0 || page[len(page)-1].Handle != r.el.Handle
		if fresh {
			need += handleBytes(r.el.Handle)
		}
		if elements > 0 && (maxElements > 0 && elements >= maxElements || maxBytes > 0 && bytes+need > maxBytes) {
			more = true
			return false
		}
		if fresh {
			page = append(page, PoolEntry{Handle: r.el.Handle})
		}
		entry := &page[len(page)-1]
		entry.Elements = append(entry.Elements, r.el.PoolElement)
		elements++
		bytes += need
		next = Cursor{last: r.el.Key(), started: true}
		return true
	})
	return page, next, more
}

// handleBytes is the size of a Pool Handle parameter with padding.
func handleBytes(h rserpool.PoolHandle) int {
	n := tlv.HeaderLen + len(h)
	return n + tlv.Pad(n)
}
