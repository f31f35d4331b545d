package asap

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// Cookie hands the state of a session from an element to its pool user, over the
// control channel (RFC 5352 §2.2.11): a Cookie parameter.
type Cookie struct {
	Cookie []byte // opaque, at most rserpool.MaxCookie bytes
	rserpool.Report
}

// Type is TypeCookie.
func (*Cookie) Type() MessageType { return TypeCookie }

// AppendTo implements Message.
func (m *Cookie) AppendTo(b []byte) []byte { return appendCookie(b, m, m.Cookie) }

// Validate implements Message.
func (m *Cookie) Validate() error { return rserpool.ValidateCookie(m.Cookie) }

// String implements Message.
func (m *Cookie) String() string { return cookieString(m, m.Cookie) }

func (m *Cookie) decode(_ uint8, p *rserpool.ParamReader) { m.Cookie = p.Cookie() }

func (m *Cookie) setReport(r rserpool.Report) { m.Report = r }

// CookieEcho hands the latest Cookie of a failed element to its successor
// (RFC 5352 §2.2.12): a Cookie parameter.
type CookieEcho struct {
	Cookie []byte // as it came, at most rserpool.MaxCookie bytes
	rserpool.Report
}

// Type is TypeCookieEcho.
func (*CookieEcho) Type() MessageType { return TypeCookieEcho }

// AppendTo implements Message.
func (m *CookieEcho) AppendTo(b []byte) []byte { return appendCookie(b, m, m.Cookie) }

// Validate implements Message.
func (m *CookieEcho) Validate() error { return rserpool.ValidateCookie(m.Cookie) }

// String implements Message.
func (m *CookieEcho) String() string { return cookieString(m, m.Cookie) }

func (m *CookieEcho) decode(_ uint8, p *rserpool.ParamReader) { m.Cookie = p.Cookie() }

func (m *CookieEcho) setReport(r rserpool.Report) { m.Report = r }

func appendCookie(b []byte, m Message, cookie []byte) []byte {
	b, start := begin(b, m, 0)
	b = rserpool.AppendCookie(b, cookie)
	return rserpool.EndMessage(b, start)
}

// cookieString does not show the content: it may be secret.
func cookieString(m Message, cookie []byte) string {
	return fmt.Sprintf("%s len=%d", m.Type(), len(cookie))
}
