package csp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// DefaultPort is the UDP port at which cspmonitor listens unless told otherwise.
const DefaultPort = 2960

const (
	version    = 0x0200
	typeReport = 1
	flagFinal  = 1

	headerLen      = 288
	associationLen = 24
	textLen        = 128 // of location and status, a zero byte at the end included
)

// MaxAssociations is how many associations a report has at most: more than would fit into
// one packet on most networks are of no use.
const MaxAssociations = 48

// Group says what a component is.
type Group uint8

// The groups of components.
const (
	Registrar   Group = 1
	PoolElement Group = 2
	PoolUser    Group = 3
)

// String is "registrar", "pool element", "pool user" or "group(N)".
func (g Group) String() string {
	switch g {
	case Registrar:
		return "registrar"
	case PoolElement:
		return "pool element"
	case PoolUser:
		return "pool user"
	}
	return fmt.Sprintf("group(%d)", uint8(g))
}

// ID identifies a component: its group in the first byte, a number within the group in the
// others.
type ID uint64

// NewID puts an ID together. Only the lower 56 bits of n count.
func NewID(g Group, n uint64) ID { return ID(uint64(g)<<56 | n&(1<<56-1)) }

// Group is what the component is.
func (id ID) Group() Group { return Group(id >> 56) }

// Number is what it is called in its group.
func (id ID) Number() uint64 { return uint64(id) & (1<<56 - 1) }

// NoWorkload is the Workload of a component that does not know it.
const NoWorkload = -1

// Unknown is the Duration of an association whose beginning is not known.
const Unknown time.Duration = -1

// Report is the status of one component:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Type = 1   |         Flags |             Length            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Version = 0x0200                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Sender (64 bits)                         |
//	|              Uptime of the sender, µs (64 bits)               |
//	|                     Report interval, µs                       |
//	|          Location (128 bytes, zeros at the end)               |
//	|            Status (128 bytes, zeros at the end)               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|            Workload           |    Number of associations     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// and for each association:
//
//	|            Receiver (64 bits), duration in µs (64 bits)       |
//	|             Flags             |            Protocol           |
//	|                Payload protocol identifier                    |
type Report struct {
	Sender ID
	// Final says that it is the last one: the component ends.
	Final    bool
	Uptime   time.Duration // of the component
	Interval time.Duration // until the next one, up to 71 minutes
	// Location and Status are for people. Of each at most 127 bytes are sent, printable
	// characters only.
	Location, Status string
	Workload         float64       // 0 to 1, or NoWorkload
	Associations     []Association // the first MaxAssociations are sent
}

// Association is one of the component's associations.
type Association struct {
	Receiver ID            // the other end; 0 if it is not known
	Duration time.Duration // since it began, or Unknown
	Protocol uint16        // IP protocol number: 132 is SCTP
	PPID     uint32        // payload protocol identifier
}

// AppendTo appends the report as a datagram.
func (r *Report) AppendTo(b []byte) []byte {
	as := r.Associations[:min(len(r.Associations), MaxAssociations)]
	flags := byte(0)
	if r.Final {
		flags = flagFinal
	}
	b = append(b, typeReport, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(headerLen+len(as)*associationLen))
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Sender))
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.Uptime, 0).Microseconds()))
	b = binary.BigEndian.AppendUint32(b, uint32(min(max(r.Interval.Microseconds(), 0), 1<<32-1)))
	b = appendText(b, r.Location)
	b = appendText(b, r.Status)
	b = binary.BigEndian.AppendUint16(b, workload(r.Workload))
	b = binary.BigEndian.AppendUint16(b, uint16(len(as)))
	for _, a := range as {
		b = binary.BigEndian.AppendUint64(b, uint64(a.Receiver))
		us := ^uint64(0) // unknown
		if a.Duration >= 0 {
			us = uint64(a.Duration.Microseconds())
		}
		b = binary.BigEndian.AppendUint64(b, us)
		b = binary.BigEndian.AppendUint16(b, 0)
		b = binary.BigEndian.AppendUint16(b, a.Protocol)
		b = binary.BigEndian.AppendUint32(b, a.PPID)
	}
	return b
}

// workload is a workload on the wire.
func workload(w float64) uint16 {
	if !(w >= 0) {
		return 0xffff
	}
	return uint16(min(w, 1)*0xfffe + 0.5)
}

// appendText appends a text of fixed length. cspmonitor writes it to a terminal as it is, so
// that escape sequences in a pool handle would be obeyed.
func appendText(b []byte, s string) []byte {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) >= textLen {
		s = strings.ToValidUTF8(s[:textLen-1], "") // of a character that was cut nothing remains
	}
	b = append(b, s...)
	return append(b, make([]byte, textLen-len(s))...)
}

// ErrMalformed says that a datagram is no report.
var ErrMalformed = errors.New("csp: malformed report")

// Decode reads a report. Texts are returned as they came.
func Decode(b []byte) (*Report, error) {
	if len(b) < headerLen || b[0] != typeReport || int(binary.BigEndian.Uint16(b[2:])) != len(b) || binary.BigEndian.Uint32(b[4:]) != version {
		return nil, ErrMalformed
	}
	n := int(binary.BigEndian.Uint16(b[286:]))
	if len(b) != headerLen+n*associationLen {
		return nil, ErrMalformed
	}
	r := &Report{
		Sender: ID(binary.BigEndian.Uint64(b[8:])), Final: b[1]&flagFinal != 0,
		Uptime:   max(duration(binary.BigEndian.Uint64(b[16:])), 0),
		Interval: time.Duration(binary.BigEndian.Uint32(b[24:])) * time.Microsecond,
		Location: text(b[28:156]), Status: text(b[156:284]), Workload: NoWorkload,
	}
	if w := binary.BigEndian.Uint16(b[284:]); w != 0xffff {
		r.Workload = float64(w) / 0xfffe
	}
	for rest := b[headerLen:]; len(rest) > 0; rest = rest[associationLen:] {
		r.Associations = append(r.Associations, Association{
			Receiver: ID(binary.BigEndian.Uint64(rest)), Duration: duration(binary.BigEndian.Uint64(rest[8:])),
			Protocol: binary.BigEndian.Uint16(rest[18:]), PPID: binary.BigEndian.Uint32(rest[20:]),
		})
	}
	return r, nil
}

// duration reads microseconds; more than 292 years are not known.
func duration(us uint64) time.Duration {
	if us > (1<<63-1)/1000 {
		return Unknown
	}
	return time.Duration(us) * time.Microsecond
}

// text reads a text up to the first zero byte.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
