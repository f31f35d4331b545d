package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/sctp"
)

// caller sends lines and prints the replies.
type caller struct {
	s       *pooluser.Session
	out     io.Writer
	opts    *callOptions
	lines   chan []byte   // closed at the end of the input
	readErr error         // set before lines is closed
	room    chan struct{} // capacity 1: there is room in the window again

	mu       sync.Mutex
	pending  []request // sent, or about to be, and not answered; in order
	sent     uint64    // lines so far
	answered uint64
	over     bool // no more lines
}

// request is a line as a message.
type request struct {
	no   uint64
	data []byte
}

func newCaller(s *pooluser.Session, out io.Writer, o *callOptions) *caller {
	return &caller{s: s, out: out, opts: o, lines: make(chan []byte), room: make(chan struct{}, 1)}
}

// read takes the lines of the input.
func (cl *caller) read(ctx context.Context, in io.Reader) {
	defer close(cl.lines)
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := readLine(r)
		if len(line) > 0 {
			select {
			case cl.lines <- line:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				cl.readErr = err
			}
			return
		}
	}
}

// readLine reads a line with its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("standard input: a line of more than %d bytes", maxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// errFinished ends an exchange because all is done.
var errFinished = errors.New("finished")

// run talks to one element after the other until all is done.
func (cl *caller) run(ctx context.Context) error {
	for fruitless := 0; ; fruitless++ {
		before := cl.state()
		err := cl.exchange(ctx)
		after := cl.state()
		switch {
		case errors.Is(err, errFinished):
			return cl.readErr
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, service.ErrTooLong), errors.Is(err, errPongs):
			return err
		case after.over && after.sent == 0 && errors.Is(err, io.EOF):
			return cl.readErr // the service has said all
		case after.unanswered == 0 && !after.over && !cl.await(ctx):
			continue // the input ended, or ctx did
		}
		if after.unanswered == 0 || after.answered != before.answered {
			fruitless = 0
		}
		if fruitless == maxFruitless {
			return fmt.Errorf("%d elements in a row took lines and answered none: %w", maxFruitless, err)
		}
		if err := cl.s.Failover(ctx); err != nil {
			return explainTimeout(err, cl.opts.timeout)
		}
	}
}

// callState is how far a caller is.
type callState struct {
	sent, answered uint64
	unanswered     int
	over           bool
}

func (cl *caller) state() callState {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return callState{cl.sent, cl.answered, len(cl.pending), cl.over}
}

// await waits for a line: only then another element is needed. It is false if none
// comes.
func (cl *caller) await(ctx context.Context) bool {
	select {
	case line, ok := <-cl.lines:
		if ok {
			cl.add(line)
			return true
		}
	case <-ctx.Done():
	}
	return false
}

// exchange talks to one element until all is done or something fails.
func (cl *caller) exchange(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var both sync.WaitGroup
	both.Go(func() {
		if err := cl.send(ctx); err != nil {
			cancel(err)
		}
	})
	both.Go(func() { cancel(cl.receive(ctx)) })
	both.Wait()
	return context.Cause(ctx)
}

// send sends what the element before has not answered, and then line after line.
func (cl *caller) send(ctx context.Context) error {
	cl.mu.Lock()
	again := append([]request(nil), cl.pending...)
	cl.mu.Unlock()
	for _, r := range again {
		if err := cl.transmit(ctx, r); err != nil {
			return err
		}
	}
	for {
		if err := cl.awaitRoom(ctx); err != nil {
			return err
		}
		select {
		case line, ok := <-cl.lines:
			if !ok {
				return cl.finish(ctx)
			}
			if err := cl.transmit(ctx, cl.add(line)); err != nil {
				return err
			}
			if cl.opts.noReply {
				if err := cl.answer(nil); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add notes a line that was taken.
func (cl *caller) add(line []byte) request {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.sent++
	r := request{no: cl.sent, data: line}
	if cl.opts.pingpong {
		data := bytes.TrimRight(line, "\r\n")
		r.data = (&service.Ping{MessageNo: r.no, Data: data[:min(len(data), service.MaxPing)]}).AppendTo(nil)
	}
	cl.pending = append(cl.pending, r)
	return r
}

func (cl *caller) awaitRoom(ctx context.Context) error {
	for cl.state().unanswered >= window {
		select {
		case <-cl.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (cl *caller) transmit(ctx context.Context, r request) error {
	m := &sctp.Message{Data: r.data}
	if cl.opts.pingpong {
		m.PPID = service.PPIDPingPong
	}
	return cl.s.Send(ctx, m)
}

// finish is the end of the input. The error is errFinished if all is answered.
func (cl *caller) finish(ctx context.Context) error {
	if cl.opts.noReply {
		if err := cl.s.Association().Shutdown(ctx); err != nil {
			return err
		}
		return errFinished
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.over = true
	return cl.finished()
}

// finished is errFinished if there is nothing to wait for. The caller holds cl.mu.
func (cl *caller) finished() error {
	if cl.over && (cl.sent > 0 || cl.readErr != nil) && len(cl.pending) == 0 {
		return errFinished
	}
	return nil
}

// receive prints replies.
func (cl *caller) receive(ctx context.Context) error {
	var buf []byte
	for {
		m, err := service.Receive(ctx, cl.s, buf, maxReply)
		if err != nil {
			return err
		}
		buf = m.Data
		text := m.Data
		if cl.opts.pingpong {
			if text, err = cl.pong(m.Data); err != nil {
				return err
			}
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		if err := cl.answer(text); err != nil {
			return err
		}
	}
}

// errPongs says that an element does not keep to the PingPong protocol.
var errPongs = errors.New("not the Pong that was expected")

// pong returns the text of a Pong with its number in front.
func (cl *caller) pong(b []byte) ([]byte, error) {
	p, err := service.DecodePong(b)
	if err != nil {
		return nil, errPongs
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if len(cl.pending) == 0 || cl.pending[0].no != p.MessageNo {
		return nil, errPongs
	}
	return fmt.Appendf(nil, "%d %s", p.ReplyNo, p.Data), nil
}

// answer prints the reply to the oldest line. Then that is not sent again.
func (cl *caller) answer(text []byte) error {
	if _, err := cl.out.Write(text); err != nil {
		return err
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if len(cl.pending) > 0 {
		cl.pending = cl.pending[1:]
		cl.answered++
	}
	select {
	case cl.room <- struct{}{}:
	default:
	}
	return cl.finished()
}
