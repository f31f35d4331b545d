package rserpool

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/internal/tlv"
)

// MaxPoolHandle is the longest pool handle in bytes this package reads or
// validates. RFC 5354 §3.9 sets no limit. rsplib's programs abort when they meet
// a handle of more than 32 bytes, so keep to MaxPoolHandleRsplib in pools that
// they share.
const MaxPoolHandle = 1024

// MaxPoolHandleRsplib is the longest pool handle in bytes that rsplib survives.
const MaxPoolHandleRsplib = 32

// PoolHandle names a pool: 1 to MaxPoolHandle arbitrary bytes (RFC 5354 §3.9),
// compared byte by byte. There is no character set; zero bytes are allowed.
type PoolHandle string

// Validate returns an error unless h has 1 to MaxPoolHandle bytes.
func (h PoolHandle) Validate() error {
	if len(h) == 0 || len(h) > MaxPoolHandle {
		return fmt.Errorf("rserpool: pool handle of %d bytes, want 1 to %d", len(h), MaxPoolHandle)
	}
	return nil
}

// AppendTo appends h as a Pool Handle parameter (RFC 5354 §3.9). The length field
// holds the true length, padding follows.
func (h PoolHandle) AppendTo(b []byte) []byte {
	b, start := tlv.Begin(b, uint16(ParamPoolHandle))
	b = append(b, h...)
	return tlv.End(b, start)
}

// String is h itself if it is printable without ambiguity, else a Go string
// literal of it.
func (h PoolHandle) String() string {
	q := strconv.Quote(string(h))
	if len(h) > 0 && q[1:len(q)-1] == string(h) && !strings.ContainsRune(string(h), ' ') {
		return string(h)
	}
	return q
}

// PoolHandle reads a Pool Handle parameter. An empty handle and one beyond
// MaxPoolHandle are invalid values.
func (p *ParamReader) PoolHandle() PoolHandle {
	t, ok := p.take(ParamPoolHandle)
	if !ok {
		return ""
	}
	if h := PoolHandle(t.Value); h.Validate() == nil {
		return h
	}
	p.invalid(t)
	return ""
}
