package rserpool_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5354 §3.12; RFC 5354 §2: the outer length does not count the last padding.
func TestCausesBytesBothWays(t *testing.T) {
	for _, c := range []struct {
		name, hex, text string
		causes          []rserpool.Cause
	}{
		{"one", "000c 0008 0005 0004", "inconsistent pooling policy", []rserpool.Cause{{Code: rserpool.CauseInconsistentPolicy}}},
		{
			"private", "000c 0008 f008 0004", "no usable user address (rsplib)",
			[]rserpool.Cause{{Code: rserpool.CauseRsplibNoUsableUserAddress}},
		},
		{"unknown", "000c 0008 1234 0004", "cause 0x1234", []rserpool.Cause{{Code: 0x1234}}},
		{
			"two, padded between and at the end", "000c 0015 0001 0009 40fe000561 000000 0006 0005 62 000000",
			"unrecognized parameter len=5; lack of resources len=1",
			[]rserpool.Cause{
				{Code: rserpool.CauseUnrecognizedParameter, Info: []byte{0x40, 0xfe, 0, 5, 'a'}},
				{Code: rserpool.CauseLackOfResources, Info: []byte("b")},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, rserpool.ValidateCauses(c.causes))
			require.Equal(t, unhex(t, c.hex), rserpool.AppendCauses(nil, c.causes))
			require.Equal(t, c.text, rserpool.CausesString(c.causes))
			p := rserpool.NewParamReader(unhex(t, c.hex))
			require.Equal(t, c.causes, p.Causes())
			require.Nil(t, p.Finish())
		})
	}
	require.Empty(t, rserpool.AppendCauses(nil, nil), "no parameter without a cause")
}

func TestCausesTolerateCountedPadding(t *testing.T) {
	p := rserpool.NewParamReader(unhex(t, "000c 000c 0006 0005 62 000000"))
	require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseLackOfResources, Info: []byte("b")}}, p.Causes())
	require.Nil(t, p.Finish())
}

// §3.12: one or more causes.
func TestCausesInvalidValues(t *testing.T) {
	many := []byte{0, 0xc, 0, 0}
	for range rserpool.MaxCauses + 1 {
		many = append(many, 0, 6, 0, 4)
	}
	many[2], many[3] = byte(len(many)>>8), byte(len(many))
	for name, c := range map[string]struct {
		b    []byte
		kind rserpool.Kind
	}{
		"none":          {unhex(t, "000c 0004"), rserpool.KindInvalidValue},
		"length 3":      {unhex(t, "000c 0008 0005 0003"), rserpool.KindInvalidValue},
		"length beyond": {unhex(t, "000c 0008 0005 0005"), rserpool.KindInvalidValue},
		"header cut":    {unhex(t, "000c 0007 0005 00 00"), rserpool.KindInvalidValue},
		"too many":      {many, rserpool.KindLimit},
	} {
		p := rserpool.NewParamReader(c.b)
		require.Empty(t, p.Causes(), name)
		require.Equal(t, c.kind, kindOf(t, p.Err()), name)
	}
}

func TestValidateCauses(t *testing.T) {
	require.NoError(t, rserpool.ValidateCauses(nil))
	require.Error(t, rserpool.ValidateCauses(make([]rserpool.Cause, rserpool.MaxCauses+1)))
	require.Error(t, rserpool.ValidateCauses([]rserpool.Cause{{Info: make([]byte, 65530)}}))
}

// §3.12.6 and §3.12.8: the pool's policy and transport come along.
func TestCausesThatCarryParameters(t *testing.T) {
	want := rserpool.Policy{Type: rserpool.WeightedRandom, Weight: 3}
	c := rserpool.PolicyCause(want)
	require.Equal(t, rserpool.CauseInconsistentPolicy, c.Code)
	got, ok := c.Policy()
	require.True(t, ok)
	require.Equal(t, want, got)
	_, ok = rserpool.Cause{Code: rserpool.CauseInconsistentPolicy}.Policy()
	require.False(t, ok, "rsplib leaves it out")
	_, ok = c.Transport()
	require.False(t, ok)

	tr := rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 1, UDPPort: 9900, Addrs: addrs("10.0.0.1")}
	gotTr, ok := rserpool.TransportCause(tr).Transport()
	require.True(t, ok)
	require.Equal(t, tr, gotTr)

	typ, ok := rserpool.Cause{Code: rserpool.CauseUnrecognizedParameter, Info: unhex(t, "40fe 0004")}.Param()
	require.True(t, ok)
	require.Equal(t, "0x40fe", typ.String())
	_, ok = rserpool.Cause{Info: []byte{1}}.Param()
	require.False(t, ok)
}

func TestCauseIsAnError(t *testing.T) {
	var err error = rserpool.Cause{Code: rserpool.CauseSecurity}
	require.EqualError(t, err, "rserpool: rejected due to security considerations")
}
