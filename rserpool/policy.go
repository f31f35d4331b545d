package rserpool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/rserpool/rserpool/internal/tlv"
)

// MaxPolicyBody is the longest body in bytes of a policy of unknown type that
// this package reads or validates.
const MaxPolicyBody = 1024

// Policy is a pool member selection policy and an element's values for it
// (RFC 5354 §3.8, RFC 5356). Which fields count depends on Type; see the
// constants of PolicyType.
type Policy struct {
	Type            PolicyType
	Weight          uint32 // share of service capacity; 0 = none (RFC 5356 §3.2)
	Priority        uint32 // larger is preferred
	Load            uint32 // 0 idle to 0xffffffff fully used; see LoadOf
	LoadDegradation uint32 // what one more request adds to Load, same scale
	DPF             uint32 // distance penalty factor: part lost in each millisecond of Distance, same scale as Load
	Distance        uint32 // one way to the element in milliseconds, filled in by registrars
	// Raw is the body behind the type number if Type is not Known: kept so that
	// a registrar can forward what it does not understand.
	Raw []byte
}

// LoadOf converts a fraction of 0 to 1 to the scale of Policy.Load. Values
// outside are taken as 0 or 1; so is NaN as 0.
func LoadOf(fraction float64) uint32 {
	switch {
	case !(fraction > 0):
		return 0
	case fraction >= 1:
		return 0xffffffff
	}
	return uint32(fraction*0xffffffff + 0.5)
}

// Fraction is the inverse of LoadOf.
func Fraction(load uint32) float64 { return float64(load) / 0xffffffff }

// field is the value of one word of a known policy's body.
func (p *Policy) field(f policyField) *uint32 {
	switch f {
	case fieldWeight:
		return &p.Weight
	case fieldPriority:
		return &p.Priority
	case fieldLoad:
		return &p.Load
	case fieldLoadDegradation:
		return &p.LoadDegradation
	case fieldDPF:
		return &p.DPF
	default:
		return &p.Distance
	}
}

// Validate returns an error if p cannot be expressed in a Pool Member Selection
// Policy parameter.
func (p Policy) Validate() error {
	switch {
	case !p.Type.Valid():
		return fmt.Errorf("rserpool: reserved policy type %s", p.Type)
	case p.Type.Known() && len(p.Raw) > 0:
		return fmt.Errorf("rserpool: raw body for policy %s", p.Type)
	case len(p.Raw) > MaxPolicyBody:
		return fmt.Errorf("rserpool: policy body of %d bytes, want at most %d", len(p.Raw), MaxPolicyBody)
	}
	return nil
}

// AppendTo appends p as a Pool Member Selection Policy parameter (RFC 5354 §3.8).
func (p Policy) AppendTo(b []byte) []byte {
	b, start := tlv.Begin(b, uint16(ParamPolicy))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Type))
	info := p.Type.info()
	if info.raw {
		return tlv.End(append(b, p.Raw...), start)
	}
	for _, f := range info.fields {
		b = binary.BigEndian.AppendUint32(b, *p.field(f))
	}
	return tlv.End(b, start)
}

// Equal reports whether p and o are the same on the wire: same type, same values
// in the fields that count for it.
func (p Policy) Equal(o Policy) bool {
	if p.Type != o.Type {
		return false
	}
	info := p.Type.info()
	if info.raw {
		return bytes.Equal(p.Raw, o.Raw)
	}
	for _, f := range info.fields {
		if *p.field(f) != *o.field(f) {
			return false
		}
	}
	return true
}

// Clone is a copy of p that shares no memory with it.
func (p Policy) Clone() Policy {
	p.Raw = bytes.Clone(p.Raw)
	return p
}

// String is the form ParsePolicy reads: "WeightedRoundRobin:3", "Priority:10",
// "LeastUsedDegradation:0.25". A load or distance other than 0 follows as
// " load=0.5" and " distance=50", and the body of a policy whose format is not known
// as " raw=0000…".
func (p Policy) String() string {
	info := p.Type.info()
	s := p.Type.String()
	if info.raw {
		if len(p.Raw) > 0 {
			s += fmt.Sprintf(" raw=%x", p.Raw)
		}
		return s
	}
	state := ""
	for _, f := range info.fields {
		switch v := *p.field(f); f {
		case fieldLoad:
			if v != 0 {
				state += " load=" + formatLoad(v)
			}
		case fieldDistance:
			if v != 0 {
				state += " distance=" + strconv.FormatUint(uint64(v), 10)
			}
		case fieldLoadDegradation, fieldDPF:
			s += ":" + formatLoad(v)
		default:
			s += ":" + strconv.FormatUint(uint64(v), 10)
		}
	}
	return s + state
}

// formatLoad is the shortest decimal fraction that LoadOf turns into v.
func formatLoad(v uint32) string {
	for prec := 0; prec < 10; prec++ {
		s := strconv.FormatFloat(Fraction(v), 'f', prec, 64)
		if f, err := strconv.ParseFloat(s, 64); err == nil && LoadOf(f) == v {
			return s
		}
	}
	return strconv.FormatFloat(Fraction(v), 'f', -1, 64)
}

// Policy reads a Pool Member Selection Policy parameter. A known policy must have
// exactly the body that RFC 5356 or rsplib gives it; of others the body is kept raw.
func (p *ParamReader) Policy() Policy {
	var n ParamReader
	t, ok := p.enter(&n, ParamPolicy)
	if !ok {
		return Policy{}
	}
	pol := Policy{Type: PolicyType(n.r.U32())}
	if info := pol.Type.info(); !info.raw {
		for _, f := range info.fields {
			*pol.field(f) = n.r.U32()
		}
	} else {
		pol.Raw = bytes.Clone(emptyToNil(n.r.Rest()))
	}
	p.leaveFixed(&n, t)
	if p.err == nil && pol.Validate() != nil {
		p.invalid(t)
	}
	return pol
}
