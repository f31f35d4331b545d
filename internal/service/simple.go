package service

import (
	"context"
	"errors"
	"time"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/sctp"
)

// maxEcho is the longest message that echo takes in.
const maxEcho = 1 << 20

// echo sends every message back as it came: same payload protocol identifier, same
// stream if this end has it, else stream 0.
func echo(ctx context.Context, s *poolelement.Session) {
	streams := s.Association().OutStreams()
	var buf []byte
	for {
		m, err := Receive(ctx, s, buf, maxEcho)
		if errors.Is(err, ErrTooLong) {
			_ = s.Association().Abort(err.Error()) // it may have ended
		}
		if err != nil {
			return
		}
		buf = m.Data
		back := sctp.Message{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered, Data: m.Data}
		if int(back.Stream) >= streams {
			back.Stream = 0
		}
		if s.Send(ctx, &back) != nil {
			return
		}
	}
}

// discard reads and answers nothing.
func discard(ctx context.Context, s *poolelement.Session) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := s.Receive(ctx, buf); err != nil {
			return
		}
	}
}

// daytimeLayout is what rsplib's daytime server writes.
const daytimeLayout = "Monday, 02-January-2006 15:04:05.000000\n"

// daytime says what time it is, and that is all. The user need not ask.
func daytime(ctx context.Context, s *poolelement.Session) {
	_ = s.Send(ctx, &sctp.Message{Data: []byte(time.Now().Format(daytimeLayout))}) // nobody is there any more
}

// chargenBlock is the message of rsplib's character generator.
func chargenBlock() []byte {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = byte(30 + i%98)
	}
	return b
}

// chargen sends characters as fast as the user takes them, until it goes.
func chargen(ctx context.Context, s *poolelement.Session) {
	m := sctp.Message{Data: chargenBlock(), More: true}
	for s.Send(ctx, &m) == nil {
	}
}
