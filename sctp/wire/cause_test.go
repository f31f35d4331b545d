package wire_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// RFC 9260 §3.3.10.1 to §3.3.10.13.
func TestCausesMatchTheirDiagrams(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"Invalid Stream Identifier": {wire.AppendInvalidStream(nil, 0xABCD), "0001 0008 abcd 0000"},
		"Missing Mandatory Parameter": {wire.AppendMissingParams(nil, wire.ParamCookie, wire.ParamIPv4, wire.ParamIPv6),
			"0002 000e 00000003 0007 0005 0006"},
		"Stale Cookie":            {wire.AppendStaleCookie(nil, 1), "0003 0008 00000001"},
		"Out of Resource":         {wire.AppendCause(nil, wire.CauseOutOfResource), "0004 0004"},
		"Unrecognized Chunk Type": {wire.AppendCause(nil, wire.CauseUnrecognizedChunk, []byte{0xFE, 0, 0, 5, 9}), "0006 0009 fe000005 09"},
		"No User Data":            {wire.AppendNoUserData(nil, 0x01020304), "0009 0008 01020304"},
		"User-Initiated Abort":    {wire.AppendCause(nil, wire.CauseUserAbort, []byte("by"), nil, []byte("e")), "000c 0007 627965"},
		"two, the first padded": {wire.AppendStaleCookie(wire.AppendCause(nil, wire.CauseProtocolViolation, []byte("x")), 2),
			"000d 0005 78 000000 0003 0008 00000002"},
	} {
		require.Equal(t, unhex(t, c.want), c.got, name)
	}
	require.Equal(t, "Restart of an Association with New Encapsulation Port", wire.CauseRestartNewEncapsPort.String())
	require.Equal(t, wire.CauseCode(13), wire.CauseProtocolViolation)
	require.Equal(t, "cause 99", wire.CauseCode(99).String())
}

func TestCausesIterate(t *testing.T) {
	b := wire.AppendInvalidStream(nil, 7)
	b = wire.AppendCause(b, wire.CauseProtocolViolation, []byte("why"))
	b = wire.AppendStaleCookie(b, 8)
	b = wire.AppendNoUserData(b, 9)
	got := slices.Collect(wire.Causes(b))
	require.Len(t, got, 4)

	id, ok := got[0].Stream()
	require.True(t, ok)
	require.Equal(t, wire.StreamID(7), id)
	usec, ok := got[2].Staleness()
	require.True(t, ok)
	require.Equal(t, uint32(8), usec)
	tsn, ok := got[3].TSN()
	require.True(t, ok)
	require.Equal(t, wire.TSN(9), tsn)
	require.Equal(t, wire.Cause{Code: wire.CauseProtocolViolation, Info: []byte("why")}, got[1])

	for range wire.Causes(b) {
		break // stopping early is allowed
	}
	require.Len(t, slices.Collect(wire.Causes(append(b, 0, 1, 0, 3))), 4, "stops at the malformed one")
	require.Empty(t, slices.Collect(wire.Causes(nil)))
}

// An accessor answers for its own cause and the right length only.
func TestCauseAccessorsRefuse(t *testing.T) {
	for _, c := range []wire.Cause{
		{Code: wire.CauseInvalidStream, Info: []byte{1, 2, 3}},
		{Code: wire.CauseStaleCookie, Info: []byte{1, 2, 3, 4, 5}},
		{Code: wire.CauseNoUserData},
		{Code: wire.CauseOutOfResource, Info: []byte{1, 2, 3, 4}},
	} {
		_, ok := c.Stream()
		require.False(t, ok, "%v", c)
		_, ok = c.Staleness()
		require.False(t, ok, "%v", c)
		_, ok = c.TSN()
		require.False(t, ok, "%v", c)
	}
}

// A peer cannot flood a log with the text of its causes, nor put control
// characters there.
func TestCauseStringIsBounded(t *testing.T) {
	long := wire.Cause{Code: wire.CauseUserAbort, Info: []byte(strings.Repeat("\n", 60000))}
	require.Less(t, len(long.String()), 300)
	require.NotContains(t, long.String(), "\n")
	long.Code = wire.CauseUnrecognizedChunk
	require.Less(t, len(long.String()), 300)
	require.Equal(t, "No User Data", wire.Cause{Code: wire.CauseNoUserData}.String())
}
