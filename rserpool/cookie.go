package rserpool

import (
	"bytes"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// MaxCookie is the longest cookie in bytes that fits into a message.
const MaxCookie = MaxMessage - 2*tlv.HeaderLen

// AppendCookie appends a Cookie parameter (RFC 5354 §3.13).
func AppendCookie(b, cookie []byte) []byte { return tlv.Append(b, uint16(ParamCookie), cookie) }

// ValidateCookie returns an error if the cookie does not fit into a message.
func ValidateCookie(cookie []byte) error {
	if len(cookie) > MaxCookie {
		return fmt.Errorf("rserpool: cookie of %d bytes, want at most %d", len(cookie), MaxCookie)
	}
	return nil
}

// Cookie reads a Cookie parameter. An empty cookie is nil.
func (p *ParamReader) Cookie() []byte {
	t, _ := p.take(ParamCookie)
	return bytes.Clone(emptyToNil(t.Value))
}
