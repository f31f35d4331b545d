package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/sctp"
)

// PPIDPingPong is the payload protocol identifier of the PingPong protocol.
const PPIDPingPong sctp.PPID = 33

// Message types of the PingPong protocol.
const (
	typePing = 1
	typePong = 2

	pingHeader = 12 // type, flags, length, message number
	pongHeader = 20 // the same and the reply number
)

// MaxPing is how many bytes of data a Ping can carry: the Pong's length is 16 bits.
const MaxPing = 0xffff - pongHeader

// Ping is a request of the PingPong protocol.
type Ping struct {
	MessageNo uint64
	Data      []byte // at most MaxPing bytes
}

// Pong is the reply to a Ping, with its number and data.
type Pong struct {
	MessageNo uint64
	// ReplyNo counts the replies of a session, from 1. It goes on with the next
	// element after a fail-over.
	ReplyNo uint64
	Data    []byte
}

var errPingPong = errors.New("malformed PingPong message")

// AppendTo appends the message to b.
func (p *Ping) AppendTo(b []byte) []byte {
	b = append(b, typePing, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(pingHeader+len(p.Data)))
	b = binary.BigEndian.AppendUint64(b, p.MessageNo)
	return append(b, p.Data...)
}

// AppendTo appends the message to b.
func (p *Pong) AppendTo(b []byte) []byte {
	b = append(b, typePong, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(pongHeader+len(p.Data)))
	b = binary.BigEndian.AppendUint64(b, p.MessageNo)
	b = binary.BigEndian.AppendUint64(b, p.ReplyNo)
	return append(b, p.Data...)
}

// DecodePing reads a Ping, whose data aliases b. Bytes behind the message are
// ignored, as rsplib does; flags mean nothing.
func DecodePing(b []byte) (Ping, error) {
	r, n, err := pingPongHeader(b, typePing)
	p := Ping{MessageNo: r.U64()}
	p.Data = r.Bytes(n - pingHeader)
	if err != nil || r.Err() != nil || len(p.Data) > MaxPing {
		return Ping{}, errPingPong
	}
	return p, nil
}

// DecodePong reads a Pong, whose data aliases b.
func DecodePong(b []byte) (Pong, error) {
	r, n, err := pingPongHeader(b, typePong)
	p := Pong{MessageNo: r.U64(), ReplyNo: r.U64()}
	p.Data = r.Bytes(n - pongHeader)
	if err != nil || r.Err() != nil {
		return Pong{}, errPingPong
	}
	return p, nil
}

// pingPongHeader reads the common header of a message and returns a cursor behind it
// and the message's length.
func pingPongHeader(b []byte, typ uint8) (tlv.Reader, int, error) {
	r := tlv.NewReader(b)
	t, _, n := r.U8(), r.U8(), int(r.U16())
	if r.Err() != nil || t != typ || n > len(b) {
		return r, 0, errPingPong
	}
	return r, n, nil
}

// pingPongCookie begins every cookie of the PingPong service.
const pingPongCookie = "<PP-TD1>"

// appendPingPongCookie appends the cookie that says which reply is next.
func appendPingPongCookie(b []byte, next uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, pingPongCookie...), next)
}

// decodePingPongCookie returns the number of the next reply.
func decodePingPongCookie(b []byte) (uint64, error) {
	r := tlv.NewReader(b)
	id, next := r.Bytes(len(pingPongCookie)), r.U64()
	if r.Err() != nil || string(id) != pingPongCookie || r.Len() != 0 {
		return 0, errors.New("not a PingPong cookie")
	}
	return next, nil
}

// PingPong answers each Ping with a Pong and a cookie, so that the numbers of the
// replies go on when another element continues. Anything else aborts the session, as
// rsplib does.
type PingPong struct {
	// FailAfter aborts a session after so many replies, at the next request. Zero:
	// never.
	FailAfter int
}

// ServeSession implements poolelement.Handler.
func (p *PingPong) ServeSession(ctx context.Context, s *poolelement.Session) {
	if err := p.serve(ctx, s); err != nil {
		_ = s.Association().Abort(err.Error()) // it may have ended
	}
}

func (p *PingPong) serve(ctx context.Context, s *poolelement.Session) error {
	next := uint64(1)
	state, err := s.Cookie(ctx)
	if errors.Is(err, cookie.ErrInvalid) {
		return err
	}
	if err != nil {
		return nil // the user has gone
	}
	if state != nil {
		if next, err = decodePingPongCookie(state); err != nil {
			return err
		}
	}
	var in, out []byte
	for replies := 0; ; replies++ {
		m, err := Receive(ctx, s, in, pingHeader+MaxPing)
		if errors.Is(err, ErrTooLong) {
			return err
		}
		if err != nil {
			return nil
		}
		in = m.Data
		ping, err := DecodePing(m.Data)
		if err != nil {
			return err
		}
		if p.FailAfter > 0 && replies == p.FailAfter {
			return fmt.Errorf("failure after %d replies was asked for", replies)
		}
		pong := Pong{MessageNo: ping.MessageNo, ReplyNo: next, Data: ping.Data}
		next++
		out = pong.AppendTo(out[:0])
		// The cookie shares the packet: who got this reply and not the cookie would have
		// the next element give its number once more.
		if s.Send(ctx, &sctp.Message{PPID: PPIDPingPong, Data: out, More: true}) != nil {
			return nil
		}
		// On a transport without control channel there are no cookies.
		_ = s.SendCookie(ctx, appendPingPongCookie(nil, next))
	}
}
