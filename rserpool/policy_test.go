package rserpool_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5356 §4 and §5: each policy's parameter; and how people write it.
func TestPolicyBytesBothWays(t *testing.T) {
	for _, c := range []struct {
		hex, text string
		p         rserpool.Policy
		adaptive  bool
	}{
		{"0008 0008 00000001", "RoundRobin", rserpool.Policy{Type: rserpool.RoundRobin}, false},
		{"0008 000c 00000002 00000003", "WeightedRoundRobin:3", rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: 3}, false},
		{"0008 0008 00000003", "Random", rserpool.Policy{Type: rserpool.Random}, false},
		{"0008 000c 00000004 0000000a", "WeightedRandom:10", rserpool.Policy{Type: rserpool.WeightedRandom, Weight: 10}, false},
		{"0008 000c 00000005 ffffffff", "Priority:4294967295", rserpool.Policy{Type: rserpool.Priority, Priority: 0xffffffff}, false},
		{"0008 000c 40000001 00000000", "LeastUsed", rserpool.Policy{Type: rserpool.LeastUsed}, true},
		{"0008 000c 40000001 40000000", "LeastUsed load=0.25", rserpool.Policy{Type: rserpool.LeastUsed, Load: 0x40000000}, true},
		{
			"0008 0010 40000002 80000000 40000000", "LeastUsedDegradation:0.25 load=0.5",
			rserpool.Policy{Type: rserpool.LeastUsedDegradation, Load: 0x80000000, LoadDegradation: 0x40000000}, true,
		},
		{
			"0008 0010 40000003 00000000 1999999a", "PriorityLeastUsed:0.1",
			rserpool.Policy{Type: rserpool.PriorityLeastUsed, LoadDegradation: 0x1999999a}, true,
		},
		{"0008 000c 40000004 ffffffff", "RandomizedLeastUsed load=1", rserpool.Policy{Type: rserpool.RandomizedLeastUsed, Load: 0xffffffff}, true},
		{
			"0008 0010 b0001001 00000000 80000000", "RandomizedPriorityLeastUsed:0.5",
			rserpool.Policy{Type: rserpool.RsplibRandomizedPriorityLeastUsed, LoadDegradation: 0x80000000}, true,
		},
		{
			"0008 0010 b0001002 ffffffff 00000000", "RandomizedLeastUsedDegradation:0 load=1",
			rserpool.Policy{Type: rserpool.RsplibRandomizedLeastUsedDegradation, Load: 0xffffffff}, true,
		},
		{
			"0008 0010 b0001003 40000000 80000000", "PriorityLeastUsedDegradation:0.5 load=0.25",
			rserpool.Policy{Type: rserpool.RsplibPriorityLeastUsedDegradation, Load: 0x40000000, LoadDegradation: 0x80000000}, true,
		},
		{
			"0008 0010 b0001004 00000000 00000000", "RandomizedPriorityLeastUsedDegradation:0",
			rserpool.Policy{Type: rserpool.RsplibRandomizedPriorityLeastUsedDegradation}, true,
		},
		{
			"0008 0014 b0002001 00000007 00068db9 00000032", "WeightedRandomDPF:7:0.0001 distance=50",
			rserpool.Policy{Type: rserpool.RsplibWeightedRandomDPF, Weight: 7, DPF: 0x68db9, Distance: 50}, false,
		},
		{
			"0008 0014 b0002002 80000000 40000000 00000000", "LeastUsedDPF:0.25 load=0.5",
			rserpool.Policy{Type: rserpool.RsplibLeastUsedDPF, Load: 0x80000000, DPF: 0x40000000}, true,
		},
		{
			"0008 0018 b0002003 80000000 40000000 ffffffff 000000c8", "LeastUsedDegradationDPF:0.25:1 load=0.5 distance=200",
			rserpool.Policy{
				Type: rserpool.RsplibLeastUsedDegradationDPF, Load: 0x80000000, LoadDegradation: 0x40000000,
				DPF: 0xffffffff, Distance: 200,
			}, true,
		},
		{
			"0008 000c b0002004 01020304", "PriorityLeastUsedDPF raw=01020304",
			rserpool.Policy{Type: rserpool.RsplibPriorityLeastUsedDPF, Raw: []byte{1, 2, 3, 4}}, false,
		},
		{
			"0008 000b 80000007 616263 00", "0x80000007 raw=616263",
			rserpool.Policy{Type: 0x80000007, Raw: []byte("abc")}, false,
		},
		{"0008 0008 40000077", "0x40000077", rserpool.Policy{Type: 0x40000077}, true},
	} {
		t.Run(c.text, func(t *testing.T) {
			require.NoError(t, c.p.Validate())
			require.Equal(t, unhex(t, c.hex), c.p.AppendTo(nil))
			p := rserpool.NewParamReader(unhex(t, c.hex))
			require.Equal(t, c.p, p.Policy())
			require.Nil(t, p.Finish())
			require.Equal(t, c.text, c.p.String())
			parsed, err := rserpool.ParsePolicy(c.text)
			require.NoError(t, err)
			require.Equal(t, c.p, parsed)
			require.Equal(t, c.adaptive, c.p.Type.Adaptive())
		})
	}
}

// RFC 5356 fixes each body's length and reserves 0 and 0x40000000 as invalid.
func TestPolicyInvalidValues(t *testing.T) {
	big := append([]byte{0, 8, 4, 12, 0x80, 0, 0, 1}, make([]byte, rserpool.MaxPolicyBody+4)...)
	for name, b := range map[string][]byte{
		"no type":               unhex(t, "0008 0004"),
		"type cut":              unhex(t, "0008 0006 0000 0000"),
		"reserved 0":            unhex(t, "0008 0008 00000000"),
		"reserved 0x40000000":   unhex(t, "0008 0008 40000000"),
		"RR with a body":        unhex(t, "0008 000c 00000001 00000001"),
		"WRR without weight":    unhex(t, "0008 0008 00000002"),
		"WRR with half weight":  unhex(t, "0008 000a 00000002 0001 0000"),
		"LUD without deg":       unhex(t, "0008 000c 40000002 00000000"),
		"PLUD without deg":      unhex(t, "0008 000c b0001003 00000000"),
		"LU-DPF of rsplib, cut": unhex(t, "0008 0010 b0002002 00000000 00000000"),
		"unknown, body too big": big,
	} {
		p := rserpool.NewParamReader(b)
		p.Policy()
		require.Equal(t, rserpool.KindInvalidValue, kindOf(t, p.Err()), name)
		require.Equal(t, rserpool.CauseInvalidValues, p.Finish().Causes[0].Code, name)
	}
}

func TestPolicyValidate(t *testing.T) {
	for name, p := range map[string]rserpool.Policy{
		"zero value":            {},
		"raw body for PLUD":     {Type: rserpool.RsplibPriorityLeastUsedDegradation, Raw: make([]byte, 8)},
		"reserved":              {Type: 0x40000000},
		"raw body for RR":       {Type: rserpool.RoundRobin, Raw: []byte{1}},
		"raw body too long":     {Type: 0x80000001, Raw: make([]byte, rserpool.MaxPolicyBody+1)},
		"raw body far too long": {Type: 0x80000001, Raw: make([]byte, 70000)},
	} {
		require.Error(t, p.Validate(), name)
		require.NotPanics(t, func() { _, _ = p.AppendTo(nil), p.String() }, name)
	}
}

// The names and constants of rsplib's -policy option, and RFC 5356's short names.
func TestParsePolicyForms(t *testing.T) {
	for text, want := range map[string]rserpool.Policy{
		"RoundRobin":            {Type: rserpool.RoundRobin},
		" rr ":                  {Type: rserpool.RoundRobin},
		"RAND":                  {Type: rserpool.Random},
		"WeightedRoundRobin":    {Type: rserpool.WeightedRoundRobin, Weight: 1},
		"wrr:7":                 {Type: rserpool.WeightedRoundRobin, Weight: 7},
		"WeightedRandom:0":      {Type: rserpool.WeightedRandom},
		"Priority:10":           {Type: rserpool.Priority, Priority: 10},
		"PRIO":                  {Type: rserpool.Priority},
		"LU":                    {Type: rserpool.LeastUsed},
		"PLU:0.5 load=1":        {Type: rserpool.PriorityLeastUsed, LoadDegradation: 0x80000000, Load: 0xffffffff},
		"RandomizedLeastUsed":   {Type: rserpool.RandomizedLeastUsed},
		"0x2:5":                 {Type: rserpool.WeightedRoundRobin, Weight: 5},
		"WeightedRandomDPF:3:1": {Type: rserpool.RsplibWeightedRandomDPF, Weight: 3, DPF: 0xffffffff},
		"wrand-dpf":             {Type: rserpool.RsplibWeightedRandomDPF, Weight: 1},
		"LeastUsedDPF:0.5":      {Type: rserpool.RsplibLeastUsedDPF, DPF: 0x80000000},
		"LUD-DPF:1:0.5 distance=0x32 load=1": {
			Type: rserpool.RsplibLeastUsedDegradationDPF, LoadDegradation: 0xffffffff, DPF: 0x80000000, Distance: 50, Load: 0xffffffff,
		},
		"PriorityLeastUsedDegradation:0.5": {Type: rserpool.RsplibPriorityLeastUsedDegradation, LoadDegradation: 0x80000000},
		"RandomizedPriorityLeastUsed":      {Type: rserpool.RsplibRandomizedPriorityLeastUsed},
		"PriorityLeastUsedDPF":             {Type: rserpool.RsplibPriorityLeastUsedDPF},
		"0x80000007":                       {Type: 0x80000007},
	} {
		got, err := rserpool.ParsePolicy(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := rserpool.ParsePolicy(got.String())
		require.NoError(t, err, text)
		require.True(t, want.Equal(again), text)
	}
	for _, text := range []string{
		"", ":", "Fastest", "0", "0x40000000", "RoundRobin:1", "WeightedRoundRobin:-1", "WeightedRoundRobin:x",
		"WeightedRoundRobin:4294967296", "Priority:1:2", "LeastUsed:0.5", "LeastUsedDegradation:1.1",
		"LeastUsedDegradation:-0.1", "LeastUsedDegradation:NaN", "RoundRobin load=0.5", "LeastUsed load=2",
		"LeastUsed load", "RoundRobin raw=00", "0x80000007 raw=0", "0x80000007:1", "LeastUsed really",
		"LeastUsed distance=5", "WeightedRandomDPF load=0", "LeastUsedDPF distance=4294967296", "LeastUsedDPF distance=-1",
		"PLUD raw=0000000000000000", "PriorityLeastUsedDPF:1", "WeightedRandomDPF:1:2",
	} {
		_, err := rserpool.ParsePolicy(text)
		require.Error(t, err, text)
	}
}

func TestPolicyEqualComparesOnlyWhatCounts(t *testing.T) {
	rr := rserpool.Policy{Type: rserpool.RoundRobin, Weight: 1}
	require.True(t, rr.Equal(rserpool.Policy{Type: rserpool.RoundRobin, Load: 7}), "no field of RoundRobin counts")
	require.False(t, rr.Equal(rserpool.Policy{Type: rserpool.Random}))
	lud := rserpool.Policy{Type: rserpool.LeastUsedDegradation, Load: 1, LoadDegradation: 2}
	require.False(t, lud.Equal(rserpool.Policy{Type: rserpool.LeastUsedDegradation, Load: 1, LoadDegradation: 3}))
	raw := rserpool.Policy{Type: 0x80000001, Raw: []byte{1}}
	clone := raw.Clone()
	require.True(t, raw.Equal(clone))
	clone.Raw[0] = 2
	require.False(t, raw.Equal(clone), "a clone shares no memory")
}

// Which values count is part of a type, and no two types share a name.
func TestPolicyTypes(t *testing.T) {
	names := map[string]bool{}
	for i, typ := range rserpool.PolicyTypes() {
		require.Equal(t, i < 9, typ.Standard(), typ)
		require.True(t, typ.Known())
		p := rserpool.Policy{Type: typ, Weight: 1, Priority: 2, Load: 3, LoadDegradation: 4, DPF: 5, Distance: 6}
		without := p
		without.Load = 0
		require.Equal(t, typ.HasLoad(), !p.Equal(without), typ)
		without = p
		without.Distance = 0
		require.Equal(t, typ.HasDistance(), !p.Equal(without), typ)
		require.False(t, names[typ.String()])
		names[typ.String()] = true
	}
	require.Len(t, names, 16)
}

func TestPolicyTypeBits(t *testing.T) {
	require.True(t, rserpool.LeastUsed.Standard())
	require.False(t, rserpool.LeastUsed.Private())
	require.True(t, rserpool.RsplibLeastUsedDPF.Private())
	require.False(t, rserpool.RsplibLeastUsedDPF.Standard())
	require.False(t, rserpool.PolicyType(6).Standard(), "reserved by IETF")
	require.True(t, rserpool.RsplibLeastUsedDPF.Known())
	require.False(t, rserpool.RsplibPriorityLeastUsedDPF.Known(), "a name without a format")
	require.False(t, rserpool.PolicyType(0xb0000077).Known())
	require.True(t, rserpool.PolicyType(6).Valid(), "reserved, but may come one day")
	require.False(t, rserpool.PolicyType(0).Valid())
}

// RFC 5356 §3.1: 0x00000000 is 0 %, 0xffffffff is 100 %.
func TestLoadOfAndFraction(t *testing.T) {
	for f, want := range map[float64]uint32{
		0: 0, 1: 0xffffffff, 0.5: 0x80000000, 0.25: 0x40000000, -1: 0, 2: 0xffffffff,
		math.Inf(1): 0xffffffff, math.NaN(): 0, math.SmallestNonzeroFloat64: 0,
	} {
		require.Equal(t, want, rserpool.LoadOf(f), "%v", f)
	}
	for _, v := range []uint32{0, 1, 2, 0x12345678, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff} {
		require.Equal(t, v, rserpool.LoadOf(rserpool.Fraction(v)))
		p := rserpool.Policy{Type: rserpool.LeastUsed, Load: v}
		again, err := rserpool.ParsePolicy(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again, "the text keeps every bit of the load")
	}
}
