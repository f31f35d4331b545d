package sctp

import "net"

// Conn is the one-to-one view of an association: a connection like that of TCP,
// whose bytes travel on stream 0. Closing it closes the association. What it reads
// are the bytes of messages as they come; ReadMessage and WriteMessage keep the
// messages.
//
// There is no CloseWrite: unlike TCP, SCTP has no state in which one end has closed and
// the other goes on sending (RFC 9260 §9). Protocols that need it say in a message of
// their own that they have finished.
type Conn struct{ *Stream }

var _ net.Conn = (*Conn)(nil)

// Conn returns the one-to-one view of the association. It may be used beside
// streams other than 0. After the association was closed its calls fail.
func (a *Association) Conn() *Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &Conn{a.stream(0)}
}

// Close closes the association, see Association.Close.
func (c *Conn) Close() error { return c.assoc.Close() }
