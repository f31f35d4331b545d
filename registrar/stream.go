package registrar

import (
	"errors"
	"net"
	"sync"
	"time"
)

// streamBuffer bounds what waits to be written to a connection of TCP: some answers of the
// greatest size.
const streamBuffer = 256 << 10

// streamLinger is how long a connection that is closed may take to deliver what was
// written.
const streamLinger = time.Second

// errStreamFull is a partner that does not read.
var errStreamFull = errors.New("registrar: send buffer is full")

// stream is a connection of TCP to which writing does not wait: a goroutine does. Who
// takes nothing for the time of patience is given up.
type stream struct {
	net.Conn
	patience time.Duration
	wake     chan struct{} // there is something to write, or the end
	ended    chan struct{} // closed when the connection is

	mu     sync.Mutex
	out    []byte // what waits
	closed bool   // takes nothing more
}

func newStream(c net.Conn, patience time.Duration) *stream {
	s := &stream{Conn: c, patience: patience, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go s.drain()
	return s
}

// Write keeps p to be sent.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.out)+len(p) > streamBuffer:
		return 0, errStreamFull
	}
	s.out = append(s.out, p...)
	s.poke()
	return len(p), nil
}

// poke wakes the goroutine. The caller holds mu.
func (s *stream) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look
	}
}

// drain writes until an error or the end.
func (s *stream) drain() {
	defer close(s.ended)
	defer s.Conn.Close()
	for range s.wake {
		for {
			s.mu.Lock()
			b, last := s.out, s.closed
			s.out = nil
			if len(b) > 0 && !last {
				_ = s.Conn.SetWriteDeadline(time.Now().Add(s.patience)) // fails if it is closed: so does writing
			}
			s.mu.Unlock()
			if len(b) == 0 {
				if last {
					return
				}
				break
			}
			if _, err := s.Conn.Write(b); err != nil {
				s.stop(0)
				return
			}
		}
	}
}

// stop takes nothing more, and gives what was written some time.
func (s *stream) stop(linger time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = s.Conn.SetWriteDeadline(time.Now().Add(linger)) // fails if it is closed
	}
	s.poke()
}

// Close ends the connection when what was written is with the other side, at most after
// streamLinger.
func (s *stream) Close() error {
	s.stop(streamLinger)
	<-s.ended
	return nil
}

// Abort ends the connection at once.
func (s *stream) Abort(string) error {
	if c, ok := s.Conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // fails if it is closed
	}
	_ = s.Conn.Close() // likewise
	s.stop(0)
	return nil
}
