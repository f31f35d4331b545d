package rserpool_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/rserpool"
)

// insert puts extra at offset off of message c and corrects the lengths of the
// message and of every parameter around the place.
func insert(c captured, off int, extra []byte) captured {
	b := append([]byte(nil), c.bytes[:off]...)
	b = append(b, extra...)
	b = append(b, c.bytes[off:]...)
	grow := func(at int) {
		binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+uint16(len(extra)))
	}
	grow(2)
	params(c, func(at int) {
		n := int(binary.BigEndian.Uint16(c.bytes[at+2:]))
		if at < off && off < at+n {
			grow(at + 2)
		}
	})
	return captured{c.proto, b}
}

// P9, RFC 5354 §3: an unknown parameter in every position, with each pair of high
// bits, is skipped, reported or stops the message exactly as the bits say.
func TestP9UnknownParameterInEveryPosition(t *testing.T) {
	asapAt := sctpUser
	e := element
	e.Home, e.ASAP = 1, &asapAt
	reg := captured{"asap", (&asap.Registration{Handle: "pool", Element: e}).AppendTo(nil)}
	presence := captured{"enrp", (&enrp.Presence{
		Sender: 1, HasChecksum: true, Server: &rserpool.ServerInfo{ID: 1, Transport: sctpUser},
	}).AppendTo(nil)}
	places := 0
	for _, c := range []captured{reg, presence} {
		want, err := decode(c.proto, c.bytes)
		require.NoError(t, err)
		// Before each parameter, at any depth, and behind the last one.
		offsets := []int{len(c.bytes)}
		params(c, func(off int) { offsets = append(offsets, off) })
		for _, off := range offsets {
			for _, value := range []string{"", "abc", "abcdefgh"} {
				places++
				for action, high := range []uint16{0x0000, 0x4000, 0x8000, 0xc000} {
					typ := high | 0x0123
					raw := tlv.Append(nil, typ, []byte(value))
					whole := raw[:4+len(value)]
					at := fmt.Sprintf("%s: 0x%04x %q at %d", c.proto, typ, value, off)
					got, err := decode(c.proto, insert(c, off, raw).bytes)
					switch rserpool.Action(action) {
					case rserpool.ActionStop:
						require.ErrorIs(t, err, rserpool.ErrUnknownParameter, at)
						require.Empty(t, err.(*rserpool.Error).Causes, at)
					case rserpool.ActionStopReport:
						require.ErrorIs(t, err, rserpool.ErrUnknownParameter, at)
						require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseUnrecognizedParameter, Info: whole}},
							err.(*rserpool.Error).Causes, at)
					case rserpool.ActionSkip:
						require.NoError(t, err, at)
						require.Equal(t, want, got, at)
					case rserpool.ActionSkipReport:
						require.NoError(t, err, at)
						require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseUnrecognizedParameter, Info: whole}}, got.ReportCauses(), at)
						require.Equal(t, want.String(), got.String(), at)
					}
				}
			}
		}
	}
	require.Equal(t, 39, places)
}

func TestActionIsTheTwoHighBits(t *testing.T) {
	require.Equal(t, rserpool.ActionStop, rserpool.ParamPoolHandle.Action())
	require.Equal(t, rserpool.ActionStopReport, rserpool.ParamType(0x7fff).Action())
	require.Equal(t, rserpool.ActionSkip, rserpool.ParamUDPPort.Action())
	require.Equal(t, rserpool.ActionSkip, rserpool.ParamHandleResolutionOption.Action())
	require.Equal(t, rserpool.ActionSkipReport, rserpool.ParamType(0xffff).Action())
}

// RFC 5354 §3.12.2: one cause per unknown parameter; those met before a fatal
// error go along with its cause.
func TestReportsGoAlongWithTheFatalCause(t *testing.T) {
	p := rserpool.NewParamReader(unhex(t, "c001 0004 c002 0005 aa000000 4003 0004 c004 0004"))
	p.End()
	require.Equal(t, []rserpool.Cause{
		{Code: rserpool.CauseUnrecognizedParameter, Info: unhex(t, "c001 0004")},
		{Code: rserpool.CauseUnrecognizedParameter, Info: unhex(t, "c002 0005 aa")},
		{Code: rserpool.CauseUnrecognizedParameter, Info: unhex(t, "4003 0004")},
	}, p.Finish().Causes)

	p = rserpool.NewParamReader(unhex(t, "c001 0004 0003 0004"))
	p.PoolHandle()
	require.Len(t, p.Finish().Causes, 2, "a parameter out of place is the second cause")
}

// P10: many unknown parameters that want a report make one bounded report.
func TestP10ReportsAreBounded(t *testing.T) {
	b := bytes.Repeat(unhex(t, "c123 0004"), 300)
	p := rserpool.NewParamReader(b)
	p.End()
	r := p.Report()
	require.Len(t, r.Unrecognized, 16)

	big := tlv.Append(nil, 0xc123, make([]byte, 10000))
	p = rserpool.NewParamReader(bytes.Repeat(big, 6))
	p.End()
	r = p.Report()
	require.Len(t, r.Unrecognized, 2, "at most 24 KiB")

	// The worst: full reports and then the largest parameter that stops.
	b = bytes.Repeat(tlv.Append(nil, 0xc123, make([]byte, 1500)), 16)
	b = tlv.Append(b, 0x4123, make([]byte, 40000))
	p = rserpool.NewParamReader(b)
	causes := p.Finish().Causes
	require.Len(t, causes, 17)
	m := &asap.Error{Causes: causes}
	sent, err := asap.Marshal(m)
	require.NoError(t, err, "it must fit into one message")
	_, err = asap.Decode(sent)
	require.NoError(t, err)
}

func TestReaderResultsDoNotAliasTheInput(t *testing.T) {
	for _, c := range recorded(t) {
		b := bytes.Clone(c.bytes)
		m, err := decode(c.proto, b)
		if err != nil {
			continue
		}
		causes, text := m.ReportCauses(), m.String()
		clear(b)
		require.Equal(t, text, m.String())
		require.Equal(t, causes, m.ReportCauses())
		if handMade[fmt.Sprintf("%s %x", c.proto, c.bytes)] == "" {
			require.Equal(t, c.bytes, m.AppendTo(nil))
		}
	}
	b := unhex(t, "c123 0008 01020304 4124 0004")
	p := rserpool.NewParamReader(b)
	err := p.Finish()
	clear(b)
	require.Equal(t, unhex(t, "c123 0008 01020304"), err.Causes[0].Info)
	require.Equal(t, unhex(t, "4124 0004"), err.Causes[1].Info)
}

func TestReaderErrorSticks(t *testing.T) {
	p := rserpool.NewParamReader(unhex(t, "0009 0004 000e 0008 00000001"))
	require.Empty(t, p.PoolHandle())
	first := p.Err()
	require.ErrorIs(t, first, rserpool.ErrInvalidValue)
	require.Zero(t, p.PEID())
	require.Zero(t, p.U16())
	require.Zero(t, p.U32())
	require.Zero(t, p.Checksum())
	require.Nil(t, p.Cookie())
	require.Nil(t, p.Causes())
	require.Zero(t, p.Policy())
	require.Zero(t, p.ServerInfo())
	_, ok := p.Items()
	require.False(t, ok)
	_, ok = p.Next()
	require.False(t, ok)
	require.Same(t, first, p.Err())
}

// RFC 5354 §3.13 to §3.15 and the Handle Resolution Option.
func TestSmallParametersBothWays(t *testing.T) {
	p := rserpool.NewParamReader(unhex(t, "000d 0007 616263 00 000e 0008 0000beef 000f 0006 cc37 0000 803f 0008 ffffffff"))
	cookie, id, sum := p.Cookie(), p.PEID(), p.Checksum()
	require.Nil(t, p.Finish())
	items, ok := p.Items()
	require.True(t, ok)
	require.Equal(t, rserpool.ItemsMax, items)
	b := rserpool.AppendCookie(nil, cookie)
	b = id.AppendTo(b)
	b = rserpool.AppendChecksum(b, sum)
	b = rserpool.AppendItems(b, items)
	require.Equal(t, unhex(t, "000d 0007 616263 00 000e 0008 0000beef 000f 0006 cc37 0000 803f 0008 ffffffff"), b)
	require.Equal(t, "0x0000beef", id.String())

	p = rserpool.NewParamReader(unhex(t, "000f 0008 cc37 0000"))
	require.Equal(t, uint16(0xcc37), p.Checksum(), "padding counted")
	require.Nil(t, p.Finish())

	for name, c := range map[string]struct {
		hex  string
		read func(*rserpool.ParamReader)
	}{
		"PE identifier of 3 bytes": {"000e 0007 000001 00", func(p *rserpool.ParamReader) { p.PEID() }},
		"PE identifier of 8 bytes": {"000e 000c 00000001 00000000", func(p *rserpool.ParamReader) { p.PEID() }},
		"checksum of 1 byte":       {"000f 0005 cc 000000", func(p *rserpool.ParamReader) { p.Checksum() }},
		"checksum of 3 bytes":      {"000f 0007 cc3700 00", func(p *rserpool.ParamReader) { p.Checksum() }},
		"checksum of 8 bytes":      {"000f 000c cc370000 00000000", func(p *rserpool.ParamReader) { p.Checksum() }},
		"option of 2 bytes":        {"803f 0006 0001 0000", func(p *rserpool.ParamReader) { p.End(); p.Items() }},
		"option of 8 bytes":        {"803f 000c 00000001 00000000", func(p *rserpool.ParamReader) { p.End(); p.Items() }},
	} {
		p := rserpool.NewParamReader(unhex(t, c.hex))
		c.read(p)
		require.Equal(t, rserpool.KindInvalidValue, kindOf(t, p.Err()), name)
	}
}

// A missing parameter has no cause of its own: unspecified (RFC 5354 §3.12.1) at
// the top, an invalid value (§3.12.4) of the parameter around it.
func TestMissingParameterCauses(t *testing.T) {
	p := rserpool.NewParamReader(rserpool.PoolHandle("pool").AppendTo(nil))
	p.PoolHandle()
	p.PEID()
	err := p.Finish()
	require.Equal(t, rserpool.KindMissingParameter, err.Kind)
	require.Equal(t, rserpool.ParamPEIdentifier, err.Param)
	require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseUnspecified}}, err.Causes)

	b := unhex(t, "000b 0008 00001111")
	p = rserpool.NewParamReader(b)
	p.ServerInfo()
	err = p.Finish()
	require.Equal(t, rserpool.KindMissingParameter, err.Kind)
	require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseInvalidValues, Info: b}}, err.Causes)
}
