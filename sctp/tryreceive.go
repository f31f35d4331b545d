package sctp

import "net"

// TryReceiveMessage is ReceiveMessage without waiting: it returns ErrWouldBlock if no
// message of any stream is there as a whole. It is for who has received a message and
// wants to handle those that came with it at once.
func (a *Association) TryReceiveMessage(buf []byte, limit int) (Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return Message{}, net.ErrClosed
	}
	for a.core != nil && !a.assembling {
		in, size, ok := a.core.NextMessage()
		if ok && a.unwanted(in.Stream) {
			continue
		}
		switch {
		case !ok:
			if err := a.drained(a.core.Torn()); err != nil {
				return Message{}, err
			}
			return Message{}, ErrWouldBlock
		case size > limit:
			return Message{}, a.tooLong(in.Stream, size, limit)
		case !in.End:
			return Message{}, ErrWouldBlock // the rest of it is still to come
		}
		if buf = buf[:cap(buf)]; size > len(buf) {
			buf = make([]byte, size)
		}
		var m Message
		err := a.receive(&m, buf)
		return m, err
	}
	if a.assembling {
		return Message{}, ErrWouldBlock // it is another's turn
	}
	if err := a.drained(false); err != nil {
		return Message{}, err
	}
	return Message{}, ErrWouldBlock
}
