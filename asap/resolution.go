package asap

import (
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/rserpool"
)

// Flags of a HandleResolution and its response.
const (
	flagSubscribe    = 0x01 // S
	flagAcceptUpdate = 0x01 // A
)

// HandleResolution asks the home registrar for elements of a pool
// (RFC 5352 §2.2.5).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x05 |0|0|0|0|0|0|0|S|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Handle Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:  Handle Resolution Option (draft-dreibholz-rserpool-asap-hropt)
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type HandleResolution struct {
	Subscribe bool // S: send further responses whenever the pool changes
	Handle    rserpool.PoolHandle
	HasItems  bool   // the option is there
	Items     uint32 // how many elements are wanted; see rserpool.ItemsMax
	rserpool.Report
}

// Type is TypeHandleResolution.
func (*HandleResolution) Type() MessageType { return TypeHandleResolution }

// AppendTo implements Message.
func (m *HandleResolution) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.Subscribe, flagSubscribe))
	b = m.Handle.AppendTo(b)
	if m.HasItems {
		b = rserpool.AppendItems(b, m.Items)
	}
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *HandleResolution) Validate() error { return m.Handle.Validate() }

// String implements Message.
func (m *HandleResolution) String() string {
	s := m.Type().String() + " " + m.Handle.String()
	switch {
	case m.HasItems && m.Items == rserpool.ItemsMax:
		s += " items=max"
	case m.HasItems:
		s += " items=" + strconv.FormatUint(uint64(m.Items), 10)
	}
	if m.Subscribe {
		s += " subscribe"
	}
	return s
}

func (m *HandleResolution) decode(flags uint8, p *rserpool.ParamReader) {
	m.Subscribe = flags&flagSubscribe != 0
	m.Handle = p.PoolHandle()
	p.End()
	m.Items, m.HasItems = p.Items()
}

func (m *HandleResolution) setReport(r rserpool.Report) { m.Report = r }

// HandleResolutionResponse answers a HandleResolution, or tells a subscriber that
// the pool has changed (RFC 5352 §2.2.6).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 0x06 |0|0|0|0|0|0|0|A|        Message Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                     Pool Handle Parameter                     :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:             Overall PE Selection Policy (optional)            :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:         Pool Element Parameters 1 to N (optional)             :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	:                   Operational Error (optional)                :
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type HandleResolutionResponse struct {
	AcceptUpdate bool // A: the subscription is accepted
	Handle       rserpool.PoolHandle
	// Policy is the pool's policy; nil if not given, which means RoundRobin. Send it
	// always: rsplib's pool users expect it even for RoundRobin.
	Policy   *rserpool.Policy
	Elements []rserpool.PoolElement
	Causes   []rserpool.Cause // any make the response negative
	rserpool.Report
}

// Type is TypeHandleResolutionResponse.
func (*HandleResolutionResponse) Type() MessageType { return TypeHandleResolutionResponse }

// AppendTo implements Message.
func (m *HandleResolutionResponse) AppendTo(b []byte) []byte {
	b, start := begin(b, m, flag(m.AcceptUpdate, flagAcceptUpdate))
	b = m.Handle.AppendTo(b)
	b = appendPool(b, m.Policy, m.Elements)
	b = rserpool.AppendCauses(b, m.Causes)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *HandleResolutionResponse) Validate() error {
	return firstError(m.Handle.Validate(), validatePool(m.Policy, m.Elements), rserpool.ValidateCauses(m.Causes))
}

// String implements Message.
func (m *HandleResolutionResponse) String() string {
	s := m.Type().String() + " " + m.Handle.String() + poolString(m.Policy, m.Elements)
	if m.AcceptUpdate {
		s += " subscribed"
	}
	return s + causesSuffix(m.Causes)
}

func (m *HandleResolutionResponse) decode(flags uint8, p *rserpool.ParamReader) {
	m.AcceptUpdate = flags&flagAcceptUpdate != 0
	m.Handle = p.PoolHandle()
	m.Policy, m.Elements = optionalPolicy(p), elements(p)
	m.Causes = optionalCauses(p)
}

func (m *HandleResolutionResponse) setReport(r rserpool.Report) { m.Report = r }

// BusinessCard tells the other end of a session, PE or PU, its pool and the
// preferred order of failover (RFC 5352 §2.2.13): Pool Handle and Pool Element
// parameters. rsplib's format has the pool's policy between them; Decode accepts
// both, AppendTo writes the policy if there is one.
type BusinessCard struct {
	Handle   rserpool.PoolHandle
	Policy   *rserpool.Policy // nil in RFC 5352's form
	Elements []rserpool.PoolElement
	rserpool.Report
}

// Type is TypeBusinessCard.
func (*BusinessCard) Type() MessageType { return TypeBusinessCard }

// AppendTo implements Message.
func (m *BusinessCard) AppendTo(b []byte) []byte {
	b, start := begin(b, m, 0)
	b = m.Handle.AppendTo(b)
	b = appendPool(b, m.Policy, m.Elements)
	return rserpool.EndMessage(b, start)
}

// Validate implements Message.
func (m *BusinessCard) Validate() error {
	return firstError(m.Handle.Validate(), validatePool(m.Policy, m.Elements))
}

// String implements Message.
func (m *BusinessCard) String() string {
	return m.Type().String() + " " + m.Handle.String() + poolString(m.Policy, m.Elements)
}

func (m *BusinessCard) decode(_ uint8, p *rserpool.ParamReader) {
	m.Handle = p.PoolHandle()
	m.Policy, m.Elements = optionalPolicy(p), elements(p)
}

func (m *BusinessCard) setReport(r rserpool.Report) { m.Report = r }

// appendPool appends a policy, if there is one, and elements.
func appendPool(b []byte, policy *rserpool.Policy, es []rserpool.PoolElement) []byte {
	if policy != nil {
		b = policy.AppendTo(b)
	}
	for i := range es {
		b = es[i].AppendTo(b)
	}
	return b
}

func validatePool(policy *rserpool.Policy, es []rserpool.PoolElement) error {
	if policy != nil {
		if err := policy.Validate(); err != nil {
			return err
		}
	}
	return validateElements(es)
}

// poolString is such as " RoundRobin [pe …; pe …]".
func poolString(policy *rserpool.Policy, es []rserpool.PoolElement) string {
	var s strings.Builder
	if policy != nil {
		s.WriteString(" " + policy.Type.String())
	}
	if len(es) > 0 {
		s.WriteString(" [")
		for i, e := range es {
			if i > 0 {
				s.WriteString("; ")
			}
			s.WriteString(e.String())
		}
		s.WriteString("]")
	}
	return s.String()
}
