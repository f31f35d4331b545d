package enrp

import (
	"fmt"
	"strings"

	"github.com/rserpool/rserpool/rserpool"
)

// Flags of handle table messages.
const (
	flagOwnOnly = 0x01 // W
	flagReject  = 0x01 // R, also of a ListResponse
	flagMore    = 0x02 // M
)

// MaxElements is the largest number of pools, and of pool elements in all of
// them together, in one HandleTableResponse that Decode accepts.
const MaxElements = 2048

// HandleTableRequest asks a peer for its copy of the handlespace, or for the part
// it owns (RFC 5353 §2.2).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x02 |0|0|0|0|0|0|0|W|    Message Length = 0xC       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Sending Server's ID                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Receiving Server's ID                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:     Pool Handle and PE Identifier of After, not in RFC 5353   :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type HandleTableRequest struct {
	Sender, Receiver rserpool.RegistrarID
	OwnOnly          bool // W: only elements whose home is the receiver
	// After asks for the page behind an element, whatever was asked for before: see
	// docs/handle-table-cursor.md. nil asks for the next page, as RFC 5353 has it.
	// Registrars of other implementations do not know it.
	After *TablePlace
	rserpool.Report
}

// TablePlace is a place in a handle table: behind the element, which need not exist
// any more. Tables are in order of handle, byte by byte, and then of identifier.
type TablePlace struct {
	Handle rserpool.PoolHandle
	PEID   rserpool.PEID
}

// Type is TypeHandleTableRequest.
func (*HandleTableRequest) Type() MessageType { return TypeHandleTableRequest }

// From is the field Sender.
func (m *HandleTableRequest) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *HandleTableRequest) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *HandleTableRequest) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.OwnOnly, flagOwnOnly))
	if m.After != nil {
		b = m.After.Handle.AppendTo(b)
		b = m.After.PEID.AppendTo(b)
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *HandleTableRequest) Validate() error {
	if m.After == nil {
		return nil
	}
	return m.After.Handle.Validate()
}

// String implements Message.
func (m *HandleTableRequest) String() string {
	s := head(m)
	if m.OwnOnly {
		s += " own-only"
	}
	if m.After != nil {
		s += fmt.Sprintf(" after %s/%s", m.After.Handle, m.After.PEID)
	}
	return s
}

func (m *HandleTableRequest) decode(flags uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver, m.OwnOnly = from, to, flags&flagOwnOnly != 0
	if p.NextIs(rserpool.ParamPoolHandle) {
		m.After = &TablePlace{Handle: p.PoolHandle(), PEID: p.PEID()}
	}
}

func (m *HandleTableRequest) setReport(r rserpool.Report) { m.Report = r }

// PoolEntries is a pool with elements of it, as in a HandleTableResponse. The
// same pool may come in several of them.
type PoolEntries struct {
	Handle   rserpool.PoolHandle
	Elements []rserpool.PoolElement
}

// HandleTableResponse brings a page of the handlespace (RFC 5353 §2.3). With More
// the next HandleTableRequest gets the next page. rsplib's last page may be empty.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x03 |0|0|0|0|0|0|M|R|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Sending Server's ID                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Receiving Server's ID                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:  Pool Entries: each a Pool Handle, then Pool Elements of it   :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type HandleTableResponse struct {
	Sender, Receiver rserpool.RegistrarID
	Reject           bool // R: no table, and no Pools
	More             bool // M
	Pools            []PoolEntries
	rserpool.Report
}

// Type is TypeHandleTableResponse.
func (*HandleTableResponse) Type() MessageType { return TypeHandleTableResponse }

// From is the field Sender.
func (m *HandleTableResponse) From() rserpool.RegistrarID { return m.Sender }

// To is the field Receiver.
func (m *HandleTableResponse) To() rserpool.RegistrarID { return m.Receiver }

// AppendTo implements Message.
func (m *HandleTableResponse) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.Reject, flagReject)|flag(m.More, flagMore))
	for i := range m.Pools {
		b = m.Pools[i].Handle.AppendTo(b)
		for j := range m.Pools[i].Elements {
			b = m.Pools[i].Elements[j].AppendTo(b)
		}
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *HandleTableResponse) Validate() error {
	n := 0
	for _, pool := range m.Pools {
		if err := pool.Handle.Validate(); err != nil {
			return err
		}
		for _, e := range pool.Elements {
			if err := e.Validate(); err != nil {
				return err
			}
		}
		n += len(pool.Elements)
	}
	if len(m.Pools) > MaxElements || n > MaxElements {
		return fmt.Errorf("enrp: %d pools and %d elements, want at most %d", len(m.Pools), n, MaxElements)
	}
	return nil
}

// String implements Message.
func (m *HandleTableResponse) String() string {
	var s strings.Builder
	s.WriteString(head(m))
	if m.Reject {
		s.WriteString(" rejected")
	}
	if m.More {
		s.WriteString(" more")
	}
	for _, pool := range m.Pools {
		fmt.Fprintf(&s, " %s [", pool.Handle)
		for i, e := range pool.Elements {
			if i > 0 {
				s.WriteString("; ")
			}
			s.WriteString(e.String())
		}
		s.WriteString("]")
	}
	return s.String()
}

func (m *HandleTableResponse) decode(flags uint8, from, to rserpool.RegistrarID, p *rserpool.ParamReader) {
	m.Sender, m.Receiver = from, to
	m.Reject, m.More = flags&flagReject != 0, flags&flagMore != 0
	for n := 0; p.NextIs(rserpool.ParamPoolHandle); {
		if len(m.Pools) == MaxElements {
			p.Exceeded(rserpool.ParamPoolHandle)
			return
		}
		pool := PoolEntries{Handle: p.PoolHandle()}
		for ; p.NextIs(rserpool.ParamPoolElement); n++ {
			if n == MaxElements {
				p.Exceeded(rserpool.ParamPoolElement)
				return
			}
			pool.Elements = append(pool.Elements, p.PoolElement())
		}
		m.Pools = append(m.Pools, pool)
	}
}

func (m *HandleTableResponse) setReport(r rserpool.Report) { m.Report = r }
