package handlespace

import (
	"cmp"
	"time"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// Element is a pool element as the Space stores it. What its slices and pointers
// refer to is shared and never changes: read it, but do not write to it.
type Element struct {
	rserpool.PoolElement
	Handle     rserpool.PoolHandle
	Registered time.Time // when it was added to this Space
	Updated    time.Time // when it was last registered or re-registered
	Expiry     time.Time // when it expires; the zero time means never
}

// Key identifies the element within the Space.
func (e Element) Key() Key { return Key{e.Handle, e.ID} }

// Key identifies an element: identifiers are unique within a pool only.
type Key struct {
	Handle rserpool.PoolHandle
	ID     rserpool.PEID
}

// Compare orders keys by handle, then by identifier: -1, 0 or 1.
func (k Key) Compare(o Key) int {
	if c := cmp.Compare(k.Handle, o.Handle); c != 0 {
		return c
	}
	return cmp.Compare(k.ID, o.ID)
}

// String is the handle and the identifier: "EchoPool/0x11112222".
func (k Key) String() string { return k.Handle.String() + "/" + k.ID.String() }

// record is an element and where it is linked.
type record struct {
	el    Element
	item  policy.Item // its Value is the record
	pool  *pool
	owner *owner
	bytes int    // size of its Pool Element parameter with padding
	sum   uint64 // its part of the owner's checksum
	rsum  uint64 // sum, or 0 if it is not Options.Portable
	epoch uint64 // of the owner when last registered: see Space.Mark
	timer int    // 1 + index in the expiry heap, 0 if it does not expire
}

// replace stores new attributes, which must not be shared with anybody.
func (s *Space) replace(r *record, pe rserpool.PoolElement, bytes int) {
	r.el.PoolElement, r.bytes = pe, bytes
	rsum := uint64(0)
	if s.opts.Portable(r.el.Handle, &r.el.PoolElement, bytes) {
		rsum = r.sum
	}
	if r.owner != nil {
		r.owner.rsum += rsum - r.rsum // modulo 2⁶⁴
	}
	r.rsum = rsum
}
