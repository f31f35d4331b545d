// Package spool writes records to a file, or whatever an io.Writer is, without ever
// making the goroutines wait that produce them: a record is appended to a buffer of
// bounded size, and dropped and counted if it does not fit. A goroutine of the spool
// does the writing.
package spool

import (
	"errors"
	"io"
	"sync"
)

// Spool is an open spool. Its methods may be called by several goroutines at once.
type Spool struct {
	w     io.Writer
	limit int

	mu      sync.Mutex
	buf     []byte // whole records that wait for the writer
	lost    uint64 // records dropped since the last that was taken
	dropped uint64 // all of them
	err     error  // of the writer; nothing is taken after it
	closed  bool

	wake chan struct{} // has room for one: something changed
	done chan struct{} // closed when the writer ended
}

// ErrClosed is the error of a second Close.
var ErrClosed = errors.New("spool: closed already")

// New returns a spool that holds no more than about limit bytes. It must be closed.
func New(w io.Writer, limit int) *Spool {
	s := &Spool{w: w, limit: limit, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.write()
	return s
}

// Add appends a record: encode appends it to the bytes that it is given and returns
// the result. lost is how many records were dropped since the last that was not. Add
// returns false if the record was dropped. encode is called under the lock of the
// spool, and not at all if there is no room.
func (s *Spool) Add(encode func(b []byte, lost uint64) []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.err != nil || len(s.buf) >= s.limit {
		s.lost++
		s.dropped++
		return false
	}
	if len(s.buf) == 0 {
		s.signal()
	}
	s.buf = encode(s.buf, s.lost)
	s.lost = 0
	return true
}

// signal wakes the writer.
func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it has not looked since the last signal
	}
}

// Dropped returns how many records were dropped.
func (s *Spool) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close writes what waits and returns the first error of the writer. It does not
// close the io.Writer.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	s.signal()
	s.mu.Unlock()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// write is the goroutine of the spool. Two buffers take turns: one is filled while
// the other is written.
func (s *Spool) write() {
	defer close(s.done)
	var spare []byte
	for range s.wake {
		s.mu.Lock()
		b, closed := s.buf, s.closed
		s.buf = spare[:0]
		s.mu.Unlock()
		if len(b) > 0 {
			if _, err := s.w.Write(b); err != nil {
				s.mu.Lock()
				s.err = err
				s.mu.Unlock()
			}
		}
		spare = b
		if closed {
			return
		}
	}
}
