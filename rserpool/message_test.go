package rserpool_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5354 §4: the length field against the bytes that are there.
func TestMessageLengthAgainstBytes(t *testing.T) {
	const handle = "0009 0009 4d69786564" // 9 bytes, 3 of padding
	for _, c := range []struct {
		name, hex string
		kind      rserpool.Kind
	}{
		{"padding counted and present (rsplib)", "05000010" + handle + "000000", 0},
		{"padding not counted but present (RFC)", "0500000d" + handle + "000000", 0},
		{"padding not counted and absent", "0500000d" + handle, 0},
		{"padding counted but absent", "05000010" + handle, 0},
		{"padding not counted, partly there", "0500000d" + handle + "00", 0},
		{"padding counted, partly there", "05000010" + handle + "0000", 0},
		{"padding partly counted", "0500000e" + handle + "0000", 0},
		{"padding is not zero", "05000010" + handle + "ffffff", 0},
		{"one byte too many", "0500000d" + handle + "00000000", rserpool.KindLength},
		{"one byte behind a full word", "05000010" + handle + "00000000", rserpool.KindLength},
		{"a second message behind it", "05000010" + handle + "000000 05000010" + handle + "000000", rserpool.KindLength},
		{"length 0", "05000000" + handle + "000000", rserpool.KindLength},
		{"length 3", "05000003" + handle + "000000", rserpool.KindLength},
		{"length 4, no parameter", "05000004", rserpool.KindMissingParameter},
		{"length ends in the value", "0500000b 0009 0009 4d6978", rserpool.KindTruncated},
		{"bytes end in the value", "05000010" + handle[:len(handle)-2], rserpool.KindTruncated},
		{"not even padding missing", "05000014" + handle + "000000", rserpool.KindTruncated},
		{"padding missing from an odd length", "0500000f" + handle, rserpool.KindTruncated},
		{"header cut", "050000", rserpool.KindTruncated},
		{"nothing", "", rserpool.KindTruncated},
		{"65535 claimed", "0500ffff" + handle + "000000", rserpool.KindTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := asap.Decode(unhex(t, c.hex))
			require.Equal(t, c.kind, kindOf(t, err))
			if c.kind == 0 {
				require.Equal(t, &asap.HandleResolution{Handle: "Mixed"}, m)
			} else {
				require.Nil(t, m)
			}
		})
	}
}

// RFC 5354 §4: 00 discard; 01 discard and report; 10 and 11 are reserved.
func TestUnknownMessageTypes(t *testing.T) {
	for typ := range 256 {
		b := []byte{byte(typ), 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 2}
		for proto, last := range map[string]int{"asap": 0x0e, "enrp": 0x0a} {
			_, err := decode(proto, b)
			if typ >= 1 && typ <= last {
				require.NotErrorIs(t, err, rserpool.ErrUnknownMessage, "%s %#x", proto, typ)
				continue
			}
			require.ErrorIs(t, err, rserpool.ErrUnknownMessage, "%s %#x", proto, typ)
			var e *rserpool.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, uint8(typ), e.Message)
			if typ>>6 == 1 {
				require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseUnrecognizedMessage, Info: b}}, e.Causes)
			} else {
				require.Empty(t, e.Causes, "%s %#x", proto, typ)
			}
		}
	}
}

// A report about the largest unknown message still fits into a message.
func TestUnknownMessageReportIsBounded(t *testing.T) {
	b := make([]byte, rserpool.MaxMessage)
	b[0], b[2], b[3] = 0x41, 0xff, 0xfc
	_, err := enrp.Decode(b)
	var e *rserpool.Error
	require.ErrorAs(t, err, &e)
	_, err = enrp.Marshal(&enrp.Error{Causes: e.Causes})
	require.NoError(t, err)
	require.Equal(t, b[:1000], e.Causes[0].Info[:1000])
	clear(b)
	require.Equal(t, byte(0x41), e.Causes[0].Info[0], "no alias")
}

// Nobody may answer an error message with an error message.
func TestNoErrorAboutAnError(t *testing.T) {
	for _, c := range []struct{ proto, hex string }{
		{"asap", "0e000004"},
		{"asap", "0e000008 000c0004"},
		{"asap", "0e000010 000c0008 00060004 40120004"},
		{"asap", "0e000010 000c0008 00060004 00090004"},
		{"enrp", "0a00000c 00000001 00000002"},
		{"enrp", "0a000018 00000001 00000002 000c0008 00060004 40120004"},
	} {
		_, err := decode(c.proto, unhex(t, c.hex))
		var e *rserpool.Error
		require.ErrorAs(t, err, &e)
		require.Empty(t, e.Causes, c.hex)
	}
	for _, c := range []struct{ proto, hex string }{
		{"asap", "0e000010 000c0008 00060004 c0120004"},
		{"enrp", "0a000018 00000001 00000002 000c0008 00060004 c0120004"},
	} {
		m, err := decode(c.proto, unhex(t, c.hex))
		require.NoError(t, err)
		require.Nil(t, m.ReportCauses())
	}
}

// What does not fit into the length field is not written at all.
func TestMessageTooLongIsNotWritten(t *testing.T) {
	es := make([]rserpool.PoolElement, 1700) // of 40 bytes
	for i := range es {
		es[i] = element
	}
	huge := rserpool.PoolElement{User: sctpUser, Policy: rserpool.Policy{Type: 0x80000001, Raw: make([]byte, 66001)}}
	var manyAddrs rserpool.Transport
	for range 9000 {
		manyAddrs.Addrs = append(manyAddrs.Addrs, addrs("10.0.0.1")...)
	}
	manyAddrs.Protocol = rserpool.ProtoSCTP
	for name, m := range map[string]message{
		"elements": &asap.HandleResolutionResponse{Handle: "p", Elements: es},
		"table":    &enrp.HandleTableResponse{Pools: []enrp.PoolEntries{{Handle: "p", Elements: es}}},
		"policy":   &asap.Registration{Handle: "p", Element: huge},
		"handle":   &asap.EndpointUnreachable{Handle: rserpool.PoolHandle(make([]byte, 70000))},
		"cookie":   &asap.Cookie{Cookie: make([]byte, rserpool.MaxCookie+1)},
		"cookie 2": &asap.CookieEcho{Cookie: make([]byte, 1<<20)},
		"causes":   &asap.Error{Causes: []rserpool.Cause{{Info: make([]byte, 65533)}}},
		"causes 2": &enrp.Error{Causes: []rserpool.Cause{{Info: make([]byte, 65536)}}},
		"addrs":    &asap.ServerAnnounce{Transports: []rserpool.Transport{manyAddrs}},
	} {
		require.Equal(t, "before", string(m.AppendTo([]byte("before"))), name)
		var err error
		switch m := m.(type) {
		case asap.Message:
			_, err = asap.Marshal(m)
		case enrp.Message:
			_, err = enrp.Marshal(m)
		}
		require.Error(t, err, name)
	}
}

func TestLongestMessage(t *testing.T) {
	want := &asap.Cookie{Cookie: bytes.Repeat([]byte{7}, rserpool.MaxCookie)}
	b, err := asap.Marshal(want)
	require.NoError(t, err)
	require.Len(t, b, rserpool.MaxMessage)
	got, err := asap.Decode(b)
	require.NoError(t, err)
	require.Equal(t, want, got)

	// Without the padding counted, three bytes more could be claimed.
	for extra := range 3 {
		n := rserpool.MaxMessage + extra + 1
		b = append([]byte{0x0b, 0, byte(n >> 8), byte(n), 0, 0xd, byte((n - 4) >> 8), byte(n - 4)}, make([]byte, n-8)...)
		_, err = asap.Decode(b)
		require.ErrorIs(t, err, rserpool.ErrLimit)
	}
}

func TestErrorTexts(t *testing.T) {
	for text, e := range map[string]*rserpool.Error{
		"rserpool: truncated": {Kind: rserpool.KindTruncated},
		"rserpool: message type 0x01: unknown parameter 0x40fe":         {Kind: rserpool.KindUnknownParameter, Message: 1, Param: 0x40fe},
		"rserpool: message type 0x0a: missing parameter SCTP Transport": {Kind: rserpool.KindMissingParameter, Message: 10, Param: 4},
		"rserpool: kind 99": {Kind: 99},
	} {
		require.EqualError(t, e, text)
	}
	require.NotErrorIs(t, error(&rserpool.Error{Kind: rserpool.KindLimit}), rserpool.ErrLength)
	require.False(t, errors.Is(&rserpool.Error{}, errors.ErrUnsupported))
}
