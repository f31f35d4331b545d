package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/sctp"
)

const (
	// defaultStall is how long an element may say nothing.
	defaultStall = 15 * time.Second
	// maxFailures is how often in a row the next element may be tried because one is
	// there but does not do its work.
	maxFailures = 3
)

// ErrStalled says that elements could be reached but did not answer.
var ErrStalled = errors.New("element does not answer")

// errOutOfOrder says that an element sent what it was not asked for.
var errOutOfOrder = errors.New("element does not speak the file protocol")

// FetchOptions are options of a Fetch. The zero value takes the defaults.
type FetchOptions struct {
	// Stall is how long an element may be silent while something is expected of it;
	// then the next one is tried. An element that crashed is noticed much earlier.
	// Zero: 15 s.
	Stall time.Duration
}

// Fetch downloads one file from a pool of file servers. When the element fails the
// download goes on with another one, if that has the same content; otherwise the error
// is ErrDifferent.
//
// A Fetch belongs to one goroutine and has its session for itself. After an error it
// is of no more use: a fail-over may still be under way.
type Fetch struct {
	s     *pooluser.Session
	path  string
	stall time.Duration

	want    request
	sending bool // the request is being sent, and again if the session moves meanwhile
	info    FileInfo
	known   bool
	opened  bool  // the element has begun to answer
	have    int64 // offset of the byte that is wanted next
	skip    int64 // bytes that come again

	buf  []byte
	part []byte // pieces of a control message
}

// request is what has been asked for.
type request uint8

const (
	nothing request = iota
	description
	content
)

// NewFetch returns the download of a file through a session, which must be new. With
// pooluser.Config.FailoverOnShutdown it also goes on elsewhere when an element leaves the
// pool in an orderly way.
func NewFetch(s *pooluser.Session, path string, o *FetchOptions) (*Fetch, error) {
	if path == "" || len(path) > MaxPath {
		return nil, fmt.Errorf("path of %d bytes", len(path))
	}
	f := &Fetch{s: s, path: path, stall: defaultStall, buf: make([]byte, 128<<10)}
	if o != nil && o.Stall > 0 {
		f.stall = o.Stall
	}
	s.OnFailover(f.resume)
	return f, nil
}

// Describe asks which content the file has.
//
// The errors, also of Content, are a *FileError from the element, ErrDifferent,
// ErrStalled, and those of the session.
func (f *Fetch) Describe(ctx context.Context) (FileInfo, error) {
	f.want, f.opened = description, false
	if err := f.ask(ctx); err != nil {
		return FileInfo{}, err
	}
	if err := f.run(ctx, nil, func() bool { return f.opened }); err != nil {
		return FileInfo{}, err
	}
	f.want = nothing
	return f.info, nil
}

// Content writes the content from an offset to the end to w. The bytes that w has taken
// are good for another Fetch from there, whatever the error. If the whole file went to
// w, or was there before, the caller should compare its hash with that of Describe.
func (f *Fetch) Content(ctx context.Context, offset int64, w io.Writer) error {
	f.want, f.opened, f.have, f.skip = content, false, offset, 0
	if err := f.ask(ctx); err != nil {
		return err
	}
	if err := f.run(ctx, w, func() bool { return f.opened && f.have == f.info.Size }); err != nil {
		return err
	}
	f.want = nothing
	return nil
}

// run takes messages until done. While a call of the session blocks, resume may be
// running; when a call has failed it may be so still, and nothing that it uses may be
// touched.
func (f *Fetch) run(ctx context.Context, w io.Writer, done func() bool) error {
	for failures := 0; !done(); {
		have := f.have
		err := f.step(ctx, w)
		switch {
		case err == nil:
			if f.have > have {
				failures = 0
			}
		case failures == maxFailures || !nextMayDo(err):
			return err
		default:
			failures++
			if err := f.s.Failover(ctx); err != nil && ctx.Err() != nil {
				return err
			}
			// If it has failed otherwise, the next step says why.
		}
	}
	return nil
}

// nextMayDo says whether an error is the element's alone.
func nextMayDo(err error) bool {
	var fe *FileError
	return errors.Is(err, ErrStalled) || errors.As(err, &fe) && fe.Code == FileFailed
}

// ask sends the request. Should the session move meanwhile, Send sends it to the next
// element, and resume must not.
func (f *Fetch) ask(ctx context.Context) error {
	f.sending = true
	if err := f.send(ctx); err != nil {
		return err
	}
	f.sending = false
	return nil
}

func (f *Fetch) send(ctx context.Context) error {
	m := &fileOpen{Describe: f.want == description, Offset: f.have, Path: f.path}
	if m.Describe {
		m.Offset = 0
	}
	return f.s.Send(ctx, &sctp.Message{PPID: PPIDFileControl, Data: m.appendTo(nil)})
}

// resume goes on with another element, see Session.OnFailover. An element that has a
// cookie needs no request: the cookie says all. The answer is looked at as any other,
// so that an element that does not give one can be left again.
func (f *Fetch) resume(ctx context.Context, cookie []byte) error {
	f.part = nil
	if f.sending || f.want == nothing {
		return nil
	}
	f.opened, f.skip = false, 0
	if cookie != nil && f.want == content {
		return nil
	}
	return f.send(ctx)
}

// step takes one message, or a part of it.
func (f *Fetch) step(ctx context.Context, w io.Writer) error {
	sctx, cancel := context.WithTimeout(ctx, f.stall)
	defer cancel()
	m, err := f.s.Receive(sctx, f.buf)
	switch {
	case err != nil && sctx.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w for %v", ErrStalled, f.stall)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // the element left the session in the middle
	case err != nil:
		return err
	case m.PPID == PPIDFileContent:
		return f.content(m.Data, w)
	case m.PPID != PPIDFileControl || len(f.part)+len(m.Data) > maxFileControl:
		return errOutOfOrder
	}
	f.part = append(f.part, m.Data...)
	if m.Partial {
		return nil
	}
	msg, err := decodeFile(f.part)
	f.part = nil
	if err != nil {
		return err
	}
	return f.control(msg)
}

func (f *Fetch) control(m fileMessage) error {
	switch m := m.(type) {
	case fileWait:
		return nil
	case *FileError:
		return m
	case *fileFile:
		return f.describe(m)
	}
	return errOutOfOrder
}

// describe compares a description with what is known.
func (f *Fetch) describe(m *fileFile) error {
	switch {
	case f.opened:
		return errOutOfOrder
	case f.known && m.Info != f.info:
		return fmt.Errorf("%s: %w: it was %v, element %v has %v", f.path, ErrDifferent, f.info, f.s.Element().ID, m.Info)
	case f.want == content && m.Offset > f.have:
		return errOutOfOrder
	}
	f.info, f.known, f.opened = m.Info, true, true
	f.skip = f.have - m.Offset
	return nil
}

// content takes bytes of the file.
func (f *Fetch) content(b []byte, w io.Writer) error {
	if !f.opened || f.want != content {
		return errOutOfOrder
	}
	again := min(f.skip, int64(len(b)))
	f.skip -= again
	b = b[again:]
	if len(b) == 0 {
		return nil
	}
	if int64(len(b)) > f.info.Size-f.have {
		return errOutOfOrder
	}
	n, err := w.Write(b)
	f.have += int64(n)
	return err
}
