package rserpool

import (
	"bytes"
	"errors"

	"github.com/rserpool/rserpool/internal/tlv"
)

// Bounds on what one message can make a receiver send back.
const (
	maxReports     = 16
	maxReportBytes = 24 << 10
)

// Report is what a decoded message still owes its sender. Messages embed it.
type Report struct {
	// Unrecognized holds the unknown parameters, whole and in the order met, whose
	// high bits ask to be skipped and reported (RFC 5354 §3). At most 16 of them
	// and 24 KiB are kept; the rest is skipped without report.
	Unrecognized [][]byte
}

// ReportCauses is Unrecognized as causes for an ASAP_ERROR or ENRP_ERROR
// (RFC 5354 §3.12.2), nil if there is nothing to report.
func (r *Report) ReportCauses() []Cause {
	var c []Cause
	for _, u := range r.Unrecognized {
		c = append(c, Cause{Code: CauseUnrecognizedParameter, Info: u})
	}
	return c
}

// add keeps a copy of an unknown parameter within the bounds.
func (r *Report) add(whole []byte) {
	n := len(whole)
	for _, u := range r.Unrecognized {
		n += len(u)
	}
	if len(r.Unrecognized) < maxReports && n <= maxReportBytes {
		r.Unrecognized = append(r.Unrecognized, bytes.Clone(whole))
	}
}

// ParamReader is a cursor over the fields and parameters of a message, or of a
// parameter that holds others. Its first error sticks: a decoder reads all it
// expects, calls End, and asks Err once. No input makes it panic, and nothing it
// returns aliases the input.
//
// Parameters are read in the order in which the RFCs draw them. Unknown ones are
// dealt with as their high bits say wherever they stand, also behind the last
// known one. Fixed fields (U16, U32) come first.
type ParamReader struct {
	r        tlv.Reader
	whole    []byte   // the parameter being read, nil for a message
	cur      tlv.TLV  // looked at, not yet taken
	have     bool     // cur is set
	udpPorts udpPorts // from a UDP Port parameter right before cur
	option   tlv.TLV  // first Handle Resolution Option seen
	hasOpt   bool     // option is set
	message  uint8    // type field, for errors
	report   *Report  // of the outermost reader
	own      Report
	err      *Error
}

// NewParamReader returns a reader of the parameters in b.
func NewParamReader(b []byte) *ParamReader {
	p := &ParamReader{r: tlv.NewReader(b)}
	p.report = &p.own
	return p
}

// Err is the first error met, nil if none. Its type is *Error.
func (p *ParamReader) Err() error {
	if p.err == nil {
		return nil
	}
	return p.err
}

// Report is what the sender should be told although there was no error.
func (p *ParamReader) Report() Report { return *p.report }

// U16 reads a fixed field of two bytes; 0 after an error.
func (p *ParamReader) U16() uint16 {
	if p.err != nil {
		return 0
	}
	v := p.r.U16()
	p.check()
	return v
}

// U32 reads a fixed field of four bytes; 0 after an error.
func (p *ParamReader) U32() uint32 {
	if p.err != nil {
		return 0
	}
	v := p.r.U32()
	p.check()
	return v
}

// Next is the type of the next parameter this package knows, false at the end
// and after an error. It passes over the unknown ones.
func (p *ParamReader) Next() (ParamType, bool) {
	for !p.have && p.err == nil {
		t, ok := p.r.Next()
		if !ok {
			p.check()
			return 0, false
		}
		switch typ := ParamType(t.Type); {
		case typ.standard():
			p.cur, p.have = t, true
		case typ == ParamUDPPort:
			p.readUDPPort(t)
		case typ == ParamHandleResolutionOption:
			if !p.hasOpt {
				p.option, p.hasOpt = t, true
			}
		default:
			p.unknown(t)
		}
	}
	if p.err != nil {
		return 0, false
	}
	return ParamType(p.cur.Type), p.have
}

// NextIs reports whether the next known parameter has type want.
func (p *ParamReader) NextIs(want ParamType) bool {
	t, ok := p.Next()
	return ok && t == want
}

// End makes a known parameter that is still unread an error, and deals with
// trailing unknown ones.
func (p *ParamReader) End() {
	if t, ok := p.Next(); ok {
		p.fail(KindUnexpectedParameter, t, Cause{Code: CauseInvalidValues, Info: p.cur.Whole})
	}
}

// unknown does what the high bits of an unknown parameter ask for.
func (p *ParamReader) unknown(t tlv.TLV) {
	typ := ParamType(t.Type)
	switch typ.Action() {
	case ActionStop:
		p.fail(KindUnknownParameter, typ)
	case ActionStopReport:
		p.fail(KindUnknownParameter, typ, Cause{Code: CauseUnrecognizedParameter, Info: t.Whole})
	case ActionSkipReport:
		p.report.add(t.Whole)
	case ActionSkip:
	}
}

// take returns the next parameter, which must be of type want.
func (p *ParamReader) take(want ParamType) (tlv.TLV, bool) {
	typ, ok := p.Next()
	switch {
	case p.err != nil:
		return tlv.TLV{}, false
	case !ok:
		p.missing(want)
		return tlv.TLV{}, false
	case typ != want:
		p.fail(KindUnexpectedParameter, typ, Cause{Code: CauseInvalidValues, Info: p.cur.Whole})
		return tlv.TLV{}, false
	}
	return p.takeAny(), true
}

// takeAny returns the parameter Next has just announced.
func (p *ParamReader) takeAny() tlv.TLV {
	t := p.cur
	p.have, p.cur, p.udpPorts = false, tlv.TLV{}, udpPorts{}
	return t
}

// enter takes a parameter of type want and makes n a reader of its value. The
// caller owns n, so that it can live on the stack.
func (p *ParamReader) enter(n *ParamReader, want ParamType) (tlv.TLV, bool) {
	t, ok := p.take(want)
	if ok {
		p.inside(n, t)
	}
	return t, ok
}

// inside makes n a reader of t's value that reports into the same place.
func (p *ParamReader) inside(n *ParamReader, t tlv.TLV) {
	n.r, n.whole, n.message, n.report = tlv.NewReader(t.Value), t.Whole, p.message, p.report
}

// leave ends the nested reader n and takes over its error.
func (p *ParamReader) leave(n *ParamReader) {
	n.End()
	if p.err == nil {
		p.err = n.err
	}
}

// leaveFixed ends the reader n of a parameter that has fixed fields only.
func (p *ParamReader) leaveFixed(n *ParamReader, t tlv.TLV) {
	if n.r.Err() != nil || n.r.Len() > 0 {
		p.invalid(t)
	}
}

// check turns an error of the byte cursor into one of the message. Inside a
// parameter the sender is shown the parameter; a message cut short gets silence.
func (p *ParamReader) check() {
	err := p.r.Err()
	if err == nil || p.err != nil {
		return
	}
	kind := KindTruncated
	if errors.Is(err, tlv.ErrLength) {
		kind = KindLength
	}
	if p.whole == nil {
		p.fail(kind, 0)
		return
	}
	whole := tlv.NewReader(p.whole)
	p.fail(kind, ParamType(whole.U16()), Cause{Code: CauseInvalidValues, Info: p.whole})
}

// invalid says that t holds a value that is not allowed (RFC 5354 §3.12.4).
func (p *ParamReader) invalid(t tlv.TLV) {
	p.fail(KindInvalidValue, ParamType(t.Type), Cause{Code: CauseInvalidValues, Info: t.Whole})
}

// missing says that a parameter of type want should have been here. There is no
// cause of its own for it: around a parameter it is an invalid value.
func (p *ParamReader) missing(want ParamType) {
	c := Cause{Code: CauseUnspecified}
	if p.whole != nil {
		c = Cause{Code: CauseInvalidValues, Info: p.whole}
	}
	p.fail(KindMissingParameter, want, c)
}

// fail sets the error unless there is one. What was to be reported before goes
// along with the cause (RFC 5354 §3.12.2: one cause per unknown parameter).
func (p *ParamReader) fail(kind Kind, param ParamType, causes ...Cause) {
	if p.err != nil {
		return
	}
	all := p.report.ReportCauses()
	for _, c := range causes {
		all = append(all, Cause{Code: c.Code, Info: bytes.Clone(c.Info[:min(len(c.Info), maxReportBytes)])})
	}
	p.err = &Error{Kind: kind, Message: p.message, Param: param, Causes: all}
}

// Exceeded makes it an error that there are more parameters of type t than the
// caller takes in (cause: lack of resources).
func (p *ParamReader) Exceeded(t ParamType) {
	p.fail(KindLimit, t, Cause{Code: CauseLackOfResources})
}

// Finish is End followed by the first error met, nil if there was none.
func (p *ParamReader) Finish() *Error {
	p.End()
	return p.err
}
