package asap

import (
	"fmt"

	"github.com/rserpool/rserpool/rserpool"
)

// MaxElements is the largest number of pool elements in one message that Decode
// accepts. At the usual 40 bytes and more, about 1,600 fit.
const MaxElements = 2048

// begin starts a message of m's type.
func begin(b []byte, m Message, flags uint8) ([]byte, int) {
	return rserpool.BeginMessage(b, rserpool.Header{Type: uint8(m.Type()), Flags: flags})
}

// flag is bit if on, else 0.
func flag(on bool, bit uint8) uint8 { //nolint:unparam // each message names its own bit
	if on {
		return bit
	}
	return 0
}

// firstError is the first of errs that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// appendElementRef appends a message that consists of Pool Handle and PE
// Identifier parameters.
func appendElementRef(b []byte, m Message, h rserpool.PoolHandle, id rserpool.PEID) []byte {
	b, start := begin(b, m, 0)
	b = h.AppendTo(b)
	b = id.AppendTo(b)
	return rserpool.EndMessage(b, start)
}

// elementRefString names the element a message is about.
func elementRefString(m Message, h rserpool.PoolHandle, id rserpool.PEID) string {
	return fmt.Sprintf("%s %s pe %s", m.Type(), h, id)
}

// causesSuffix is ": " and the causes, if there are any.
func causesSuffix(causes []rserpool.Cause) string {
	if len(causes) == 0 {
		return ""
	}
	return ": " + rserpool.CausesString(causes)
}

// optionalCauses reads an Operation Error parameter if there is one.
func optionalCauses(p *rserpool.ParamReader) []rserpool.Cause {
	if p.NextIs(rserpool.ParamOperationError) {
		return p.Causes()
	}
	return nil
}

// optionalPolicy reads a policy parameter if there is one.
func optionalPolicy(p *rserpool.ParamReader) *rserpool.Policy {
	if !p.NextIs(rserpool.ParamPolicy) {
		return nil
	}
	pol := p.Policy()
	return &pol
}

// elements reads Pool Element parameters as long as there are any.
func elements(p *rserpool.ParamReader) []rserpool.PoolElement {
	var es []rserpool.PoolElement
	for p.NextIs(rserpool.ParamPoolElement) {
		if len(es) == MaxElements {
			p.Exceeded(rserpool.ParamPoolElement)
			return nil
		}
		es = append(es, p.PoolElement())
	}
	return es
}

// validateElements checks each of es and their number.
func validateElements(es []rserpool.PoolElement) error {
	if len(es) > MaxElements {
		return fmt.Errorf("asap: %d pool elements, want at most %d", len(es), MaxElements)
	}
	for _, e := range es {
		if err := e.Validate(); err != nil {
			return err
		}
	}
	return nil
}
