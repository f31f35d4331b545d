package rserpool

import (
	"encoding/binary"

	"github.com/rserpool/rserpool/internal/tlv"
)

// Values of the number of items in a Handle Resolution Option with a meaning of
// their own in rsplib's registrar.
const (
	ItemsDefault uint32 = 0          // as many as the registrar gives without the option
	ItemsMax     uint32 = 0xffffffff // as many as possible
)

// AppendItems appends a Handle Resolution Option
// (draft-dreibholz-rserpool-asap-hropt §2): how many pool elements are wanted.
func AppendItems(b []byte, items uint32) []byte {
	b, start := tlv.Begin(b, uint16(ParamHandleResolutionOption))
	b = binary.BigEndian.AppendUint32(b, items)
	return tlv.End(b, start)
}

// Items is the number in the first Handle Resolution Option passed so far, so
// call it after End. The second result is false if there was none. In messages
// without a use for the option nobody calls it: the option is skipped there.
func (p *ParamReader) Items() (uint32, bool) {
	if p.err != nil || !p.hasOpt {
		return 0, false
	}
	var n ParamReader
	p.inside(&n, p.option)
	items := n.U32()
	p.leaveFixed(&n, p.option)
	return items, p.err == nil
}
