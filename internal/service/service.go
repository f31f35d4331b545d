package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/sctp"
)

// simple are the services that need no more than a session.
var simple = map[string]poolelement.HandlerFunc{
	"echo":    echo,
	"discard": discard,
	"daytime": daytime,
	"chargen": chargen,
}

// Names lists the services, in the order in which help texts have them.
func Names() []string {
	return []string{"echo", "discard", "daytime", "chargen", "pingpong", "calcapp", "fractal", "files"}
}

// Options are what some services want to know.
type Options struct {
	// Root is the directory whose files are served. Files only.
	Root string
	// Block is how many bytes of content a message carries. Zero: 64 KiB. Files only.
	Block int
	// FailAfter aborts a session after so many replies, to see users fail over. Zero:
	// never. Pingpong only.
	FailAfter int
	// Capacity is how many calculations a second are done. Zero: a million. Calcapp
	// only.
	Capacity float64
}

// New returns a service by its name, which is one of Names.
func New(name string, o Options) (poolelement.Handler, error) {
	switch name {
	case "pingpong":
		return &PingPong{FailAfter: o.FailAfter}, nil
	case "calcapp":
		return &CalcApp{Capacity: o.Capacity}, nil
	case "fractal":
		return Fractal{}, nil
	case "files":
		f, err := NewFiles(o.Root)
		if err != nil {
			return nil, err
		}
		f.Block = o.Block
		return f, nil
	}
	if h, ok := simple[name]; ok {
		return h, nil
	}
	return nil, fmt.Errorf("unknown service %q (one of %v)", name, Names())
}

// ErrTooLong says that a message is longer than its receiver takes.
var ErrTooLong = errors.New("message is too long")

// Receiver is a session of a pool element or of a pool user.
type Receiver interface {
	Receive(ctx context.Context, buf []byte) (sctp.Message, error)
}

// Receive waits for a message and returns it whole. Its data is in buf, which is grown
// as needed up to limit bytes: pass m.Data the next time. The error is ErrTooLong
// when the message is longer; what is left of it is still to come then.
func Receive(ctx context.Context, s Receiver, buf []byte, limit int) (sctp.Message, error) {
	const piece = 4096
	buf = buf[:0]
	for {
		// One byte more than the limit shows that there is more.
		buf = slices.Grow(buf, min(piece, limit+1-len(buf)))
		m, err := s.Receive(ctx, buf[len(buf):min(cap(buf), limit+1)])
		if err != nil {
			return m, err
		}
		buf = buf[:len(buf)+len(m.Data)]
		if len(buf) > limit {
			return m, ErrTooLong
		}
		if !m.Partial {
			m.Data = buf
			return m, nil
		}
	}
}
