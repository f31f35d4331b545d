package asaplink

import (
	"context"
	"errors"
	"fmt"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// ErrControlPPID is sending data with the payload protocol identifier of ASAP,
// which RFC 5352 §5 keeps for the control channel.
var ErrControlPPID = errors.New("asap: payload protocol identifier 11 is not for data")

// ErrNoControl is a control message on a transport for data only.
var ErrNoControl = errors.New("asap: the pool's transport has no control channel")

// ErrProtocol says that the peer broke the rules of the control channel. The
// association was aborted.
var ErrProtocol = errors.New("asap: control channel")

// maxPiece is how much of a message is read at once to look at it.
const maxPiece = 64 << 10

// Channel is a data association between a pool user and a pool element. Messages
// with ASAP's payload protocol identifier are its control channel and never reach
// the application (RFC 5352 §3.8, §5).
type Channel struct {
	assoc   *sctp.Association
	control func(m asap.Message, first bool) error // nil: data only

	reading chan struct{} // a token: who holds it reads; guards what follows
	begun   bool          // a message has come
	pending *sctp.Message // a piece of data that was read to look at it
	partial map[sctp.StreamID][]byte
}

// NewChannel returns the channel of an association. control is called for every
// control message, by one goroutine at a time: the one that reads; first says that
// no other message came before. An error of it aborts the association. A nil control
// means that there is no control channel (RFC 5354 §3.4: data only).
func NewChannel(a *sctp.Association, control func(m asap.Message, first bool) error) *Channel {
	c := &Channel{assoc: a, control: control, reading: make(chan struct{}, 1)}
	c.reading <- struct{}{}
	return c
}

// Association returns the association.
func (c *Channel) Association() *sctp.Association { return c.assoc }

// Receive waits for the next data message and copies it, or as much of it as fits,
// to buf, as Association.Receive does.
func (c *Channel) Receive(ctx context.Context, buf []byte) (sctp.Message, error) {
	if err := c.lock(ctx); err != nil {
		return sctp.Message{}, err
	}
	defer c.unlock()
	if p := c.pending; p != nil && len(buf) > 0 {
		m := *p
		n := copy(buf, p.Data)
		m.Data = buf[:n]
		if n < len(p.Data) {
			m.Partial = true
			p.Data = p.Data[n:]
		} else {
			c.pending = nil
		}
		return m, nil
	}
	return c.receive(ctx, buf)
}

// lock waits for the turn to read.
func (c *Channel) lock(ctx context.Context) error {
	select {
	case <-c.reading:
		return nil
	default:
	}
	select {
	case <-c.reading:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Channel) unlock() { c.reading <- struct{}{} }

// receive waits for data. The caller holds the token.
func (c *Channel) receive(ctx context.Context, buf []byte) (sctp.Message, error) {
	for {
		m, err := c.assoc.Receive(ctx, buf)
		if err != nil {
			return m, err
		}
		if uint32(m.PPID) != asap.PPID {
			c.begun = true
			return m, nil
		}
		if err := c.onControl(&m); err != nil {
			return sctp.Message{}, c.reject(err)
		}
	}
}

// onControl handles a piece of a control message.
func (c *Channel) onControl(m *sctp.Message) error {
	part := append(c.partial[m.Stream], m.Data...)
	if len(part) > rserpool.MaxMessage {
		return errors.New("message is too long")
	}
	if m.Partial {
		if c.partial == nil {
			c.partial = make(map[sctp.StreamID][]byte)
		}
		// Without interleaving there is one at a time. Another one begins only if
		// the peer gives up the first.
		clear(c.partial)
		c.partial[m.Stream] = part
		return nil
	}
	clear(c.partial)
	first := !c.begun
	c.begun = true
	if c.control == nil {
		return nil
	}
	return c.handle(part, first)
}

// handle decodes a control message. What cannot be decoded is reported to the
// peer as its causes say (RFC 5352 §2.2.14) and otherwise ignored.
func (c *Channel) handle(b []byte, first bool) error {
	m, err := asap.Decode(b)
	var causes []rserpool.Cause
	if err != nil {
		var de *rserpool.Error
		if errors.As(err, &de) {
			causes = de.Causes
		}
	} else {
		causes = m.ReportCauses()
	}
	if len(causes) > 0 {
		if b, err := asap.Marshal(&asap.Error{Causes: causes}); err == nil {
			// Nobody waits for this; if there is no room it is left out.
			_ = c.assoc.TrySend(&sctp.Message{PPID: sctp.PPID(asap.PPID), Data: b})
		}
	}
	if err != nil {
		return nil
	}
	return c.control(m, first)
}

// reject aborts the association because of what came on the control channel.
func (c *Channel) reject(err error) error {
	_ = c.assoc.Abort(err.Error()) // it may have ended
	return fmt.Errorf("%w: %w", ErrProtocol, err)
}

// AwaitFirst waits until the first message has come: if it is a control message it
// has been handled then, if it is data it is kept for Receive.
func (c *Channel) AwaitFirst(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	// receive does not return for a control message, so this reads by itself.
	buf := make([]byte, maxPiece)
	for !c.begun {
		m, err := c.assoc.Receive(ctx, buf)
		if err != nil {
			return err
		}
		if uint32(m.PPID) != asap.PPID {
			c.begun, c.pending = true, &m
			return nil
		}
		if err := c.onControl(&m); err != nil {
			return c.reject(err)
		}
	}
	return nil
}

// Send sends a data message.
func (c *Channel) Send(ctx context.Context, m *sctp.Message) error {
	if uint32(m.PPID) == asap.PPID {
		return ErrControlPPID
	}
	return c.assoc.Send(ctx, m)
}

// SendControl sends a control message, on stream 0 and ordered.
func (c *Channel) SendControl(ctx context.Context, m asap.Message) error {
	if c.control == nil {
		return ErrNoControl
	}
	b, err := asap.Marshal(m)
	if err != nil {
		return err
	}
	if err := c.assoc.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: b}); err != nil {
		return fmt.Errorf("asap: sending %v: %w", m.Type(), err)
	}
	return nil
}

// maxWrite is the longest message that Write makes.
const maxWrite = 64 << 10

// Write sends p on stream 0, as messages of at most 64 KiB with the given
// identifier, and returns how many bytes it took.
func Write(ctx context.Context, p []byte, ppid sctp.PPID, send func(context.Context, *sctp.Message) error) (int, error) {
	for n := 0; n < len(p); {
		k := min(len(p)-n, maxWrite)
		if err := send(ctx, &sctp.Message{PPID: ppid, Data: p[n : n+k]}); err != nil {
			return n, err
		}
		n += k
	}
	return len(p), nil
}
