package rserpool

import "fmt"

// PolicyType is a pool member selection policy's number (RFC 5356 §7.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|X|A|                   Policy Number                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type PolicyType uint32

// Policies of RFC 5356. Behind each name stand the fields of Policy it uses and
// what a registrar does with them.
const (
	// RoundRobin takes the elements in turn; no fields (§4.1). Every RSerPool
	// component supports it, and it is the default.
	RoundRobin PolicyType = 0x00000001
	// WeightedRoundRobin takes the elements in turn, each as often in a round as its
	// Weight says and as evenly spread as possible (§4.2).
	WeightedRoundRobin PolicyType = 0x00000002
	// Random takes any element with equal probability; no fields (§4.3).
	Random PolicyType = 0x00000003
	// WeightedRandom takes an element with probability Weight by sum of weights (§4.4).
	WeightedRandom PolicyType = 0x00000004
	// Priority takes the elements of highest Priority, in decreasing order (§4.5).
	Priority PolicyType = 0x00000005
	// LeastUsed takes the elements of lowest Load, ascending, equals in turn (§5.1).
	LeastUsed PolicyType = 0x40000001
	// LeastUsedDegradation is LeastUsed by Load + n·LoadDegradation, where n counts the
	// selections since the last (re-)registration (§5.2).
	LeastUsedDegradation PolicyType = 0x40000002
	// PriorityLeastUsed is LeastUsed by Load + LoadDegradation: the load there would
	// be after one more request (§5.3).
	PriorityLeastUsed PolicyType = 0x40000003
	// RandomizedLeastUsed is WeightedRandom with weights 0xffffffff - Load (§5.4).
	RandomizedLeastUsed PolicyType = 0x40000004
)

// Policies private to rsplib (X bit set, not assigned by IANA). This package
// names them and keeps their bodies in Policy.Raw, so that registrars can hand
// them on; it does not interpret them.
const (
	RsplibRandomizedPriorityLeastUsed            PolicyType = 0xb0001001
	RsplibRandomizedLeastUsedDegradation         PolicyType = 0xb0001002
	RsplibPriorityLeastUsedDegradation           PolicyType = 0xb0001003
	RsplibRandomizedPriorityLeastUsedDegradation PolicyType = 0xb0001004
	RsplibWeightedRandomDPF                      PolicyType = 0xb0002001
	RsplibLeastUsedDPF                           PolicyType = 0xb0002002
	RsplibLeastUsedDegradationDPF                PolicyType = 0xb0002003
	RsplibPriorityLeastUsedDPF                   PolicyType = 0xb0002004
	RsplibPriorityLeastUsedDegradationDPF        PolicyType = 0xb0002005
)

// A policyField is one 32-bit word of a policy's body.
type policyField uint8

const (
	fieldWeight policyField = iota
	fieldPriority
	fieldLoad
	fieldLoadDegradation
	fieldDPF      // distance penalty factor, rsplib only
	fieldDistance // set by registrars, rsplib only
)

// policyInfo describes one policy: its names and the words of its body.
type policyInfo struct {
	typ    PolicyType
	name   string // rsplib's and the canonical name
	short  string // RFC 5356's abbreviation, "" if none
	fields []policyField
}

var policies = []policyInfo{
	{RoundRobin, "RoundRobin", "RR", nil},
	{WeightedRoundRobin, "WeightedRoundRobin", "WRR", []policyField{fieldWeight}},
	{Random, "Random", "RAND", nil},
	{WeightedRandom, "WeightedRandom", "WRAND", []policyField{fieldWeight}},
	{Priority, "Priority", "PRIO", []policyField{fieldPriority}},
	{LeastUsed, "LeastUsed", "LU", []policyField{fieldLoad}},
	{LeastUsedDegradation, "LeastUsedDegradation", "LUD", []policyField{fieldLoad, fieldLoadDegradation}},
	{PriorityLeastUsed, "PriorityLeastUsed", "PLU", []policyField{fieldLoad, fieldLoadDegradation}},
	{RandomizedLeastUsed, "RandomizedLeastUsed", "RLU", []policyField{fieldLoad}},
	{RsplibRandomizedPriorityLeastUsed, "RandomizedPriorityLeastUsed", "", []policyField{fieldLoad, fieldLoadDegradation}},
	{RsplibRandomizedLeastUsedDegradation, "RandomizedLeastUsedDegradation", "", []policyField{fieldLoad, fieldLoadDegradation}},
	{RsplibPriorityLeastUsedDegradation, "PriorityLeastUsedDegradation", "", []policyField{fieldLoad, fieldLoadDegradation}},
	{RsplibRandomizedPriorityLeastUsedDegradation, "RandomizedPriorityLeastUsedDegradation", "", []policyField{fieldLoad, fieldLoadDegradation}},
	{RsplibWeightedRandomDPF, "WeightedRandomDPF", "", []policyField{fieldWeight, fieldDPF, fieldDistance}},
	{RsplibLeastUsedDPF, "LeastUsedDPF", "", []policyField{fieldLoad, fieldDPF, fieldDistance}},
	{RsplibLeastUsedDegradationDPF, "LeastUsedDegradationDPF", "", []policyField{fieldLoad, fieldLoadDegradation, fieldDPF, fieldDistance}},
	{RsplibPriorityLeastUsedDPF, "PriorityLeastUsedDPF", "", nil},
	{RsplibPriorityLeastUsedDegradationDPF, "PriorityLeastUsedDegradationDPF", "", nil},
}

// info is the description of t; ok is false for a type without a name.
func (t PolicyType) info() (policyInfo, bool) {
	for _, p := range policies {
		if p.typ == t {
			return p, true
		}
	}
	return policyInfo{}, false
}

// Adaptive reports whether the policy uses state that the elements report at run
// time, such as their load: the A bit (RFC 5356 §7.1).
func (t PolicyType) Adaptive() bool { return t&0x40000000 != 0 }

// Private reports whether the number is outside the standards: the X bit.
func (t PolicyType) Private() bool { return t&0x80000000 != 0 }

// Standard reports whether RFC 5356 defines t. Policies of other types keep their
// body in Policy.Raw.
func (t PolicyType) Standard() bool {
	_, ok := t.info()
	return ok && !t.Private()
}

// Valid reports whether t may stand on the wire: 0 and 0x40000000 are reserved as
// invalid (RFC 5356 §7.1).
func (t PolicyType) Valid() bool { return t != 0 && t != 0x40000000 }

// String is the canonical name, which is rsplib's too, or the number in hex.
func (t PolicyType) String() string {
	if p, ok := t.info(); ok {
		return p.name
	}
	return fmt.Sprintf("0x%08x", uint32(t))
}
