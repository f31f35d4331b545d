package wire

import (
	"fmt"

	"github.com/rserpool/rserpool/internal/tlv"
)

// Heartbeat is a HEARTBEAT or HEARTBEAT ACK chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Type = 4 or 5 |  Chunk Flags  |       Heartbeat Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Heartbeat Info Type = 1    |        HB Info Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	/                Sender-Specific Heartbeat Info                 /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.5, §3.3.6.
type Heartbeat struct {
	// Ack makes it a HEARTBEAT ACK.
	Ack bool
	// Info is the content of the Heartbeat Info parameter: opaque to the peer,
	// which sends it back as it is.
	Info []byte
}

// Decode fills h from c. A chunk without Heartbeat Info gives ErrMissing; of two,
// the first counts. Other parameters are unknown here: they are skipped, or end
// the search, as their type says (RFC 9260 §3.2.1).
func (h *Heartbeat) Decode(c RawChunk) error {
	h.Ack, h.Info = c.Type() == TypeHeartbeatAck, nil
	if !h.Ack {
		if err := checkType(c, TypeHeartbeat); err != nil {
			return err
		}
	}
	r := tlv.NewReader(c.Value())
	found, stopped := false, false
	for {
		// All are walked, even after the search is over: one verdict on the
		// structure, wherever the fault is.
		p, ok := r.Next()
		if !ok {
			break
		}
		switch t := ParamType(p.Type); {
		case stopped || found:
		case t == ParamHeartbeatInfo:
			h.Info, found = p.Value, true
		default:
			stopped = !t.SkipUnknown()
		}
	}
	if r.Err() == nil && !found {
		r.Fail(ErrMissing)
	}
	return readError(c, &r)
}

// AppendTo appends the complete chunk with padding. Info is at most 65,527 bytes.
func (h *Heartbeat) AppendTo(b []byte) []byte {
	t := TypeHeartbeat
	if h.Ack {
		t = TypeHeartbeatAck
	}
	b, start := beginChunk(b, t, 0)
	return endChunk(appendParam(b, start, ParamHeartbeatInfo, h.Info), start)
}

// Len is the size of the chunk with padding.
func (h *Heartbeat) Len() int { return padded(ChunkHeaderLen + tlv.HeaderLen + len(h.Info)) }

// String describes the chunk: "HEARTBEAT len=40".
func (h *Heartbeat) String() string {
	t := TypeHeartbeat
	if h.Ack {
		t = TypeHeartbeatAck
	}
	return fmt.Sprintf("%v len=%d", t, len(h.Info))
}
