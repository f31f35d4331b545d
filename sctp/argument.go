package sctp

import (
	"fmt"
	"net/netip"
	"strings"
)

// MessageSizeError is a message of a size that cannot be sent, or is more than who
// receives it wants. With errors.Is it is ErrMessageTooLarge, or ErrEmptyMessage if
// Size is 0.
type MessageSizeError struct {
	Size int // in bytes; of a received message, what of it was there
	Max  int // the largest size: Config.MaxMessageSize, or the limit of the call
}

// Error names both sizes.
func (e *MessageSizeError) Error() string {
	if e.Size == 0 {
		return "sctp: empty message"
	}
	return fmt.Sprintf("sctp: message of %d bytes, the limit is %d", e.Size, e.Max)
}

// Is tells ErrMessageTooLarge and ErrEmptyMessage apart.
func (e *MessageSizeError) Is(target error) bool {
	return target == ErrMessageTooLarge && e.Size > 0 || target == ErrEmptyMessage && e.Size == 0
}

// StreamError is a stream identifier that the association does not have. With
// errors.Is it is ErrInvalidStream.
type StreamError struct {
	Stream  StreamID
	Streams int // how many streams there are: identifiers are less than that
}

// Error names the stream and the number of them.
func (e *StreamError) Error() string {
	return fmt.Sprintf("sctp: invalid stream %d of %d", e.Stream, e.Streams)
}

// Is says that it is an ErrInvalidStream.
func (e *StreamError) Is(target error) bool { return target == ErrInvalidStream }

// PathError is an address that is not one of the peer's. With errors.Is it is
// ErrNoPath.
type PathError struct{ Path netip.Addr }

// Error names the address.
func (e *PathError) Error() string {
	return fmt.Sprintf("sctp: %v is not an address of the peer", e.Path)
}

// Is says that it is an ErrNoPath.
func (e *PathError) Is(target error) bool { return target == ErrNoPath }

// detached is a copy of an address that shares no memory with it. Otherwise a message
// would seem to be kept after a call to send it, and its data could not lie on the
// stack of the caller.
func detached(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4(a.As4())
	}
	return netip.AddrFrom16(a.As16()).WithZone(strings.Clone(a.Zone()))
}
