package rserpool

import (
	"fmt"
	"slices"
)

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

// Policies private to rsplib (X bit set, not assigned by IANA). They combine those
// of RFC 5356; n counts the selections as with LeastUsedDegradation. The ones with
// a distance penalty factor (DPF) prefer elements that are near: their bodies have
// the Distance to the element in milliseconds, which the registrars fill in, not
// the element (draft-dreibholz-rserpool-delay).
const (
	// RsplibRandomizedPriorityLeastUsed is RandomizedLeastUsed by Load + LoadDegradation.
	RsplibRandomizedPriorityLeastUsed PolicyType = 0xb0001001
	// RsplibRandomizedLeastUsedDegradation is RandomizedLeastUsed by
	// Load + n·LoadDegradation.
	RsplibRandomizedLeastUsedDegradation PolicyType = 0xb0001002
	// RsplibPriorityLeastUsedDegradation is LeastUsed by Load + (n+1)·LoadDegradation.
	RsplibPriorityLeastUsedDegradation PolicyType = 0xb0001003
	// RsplibRandomizedPriorityLeastUsedDegradation is RandomizedLeastUsed by
	// Load + (n+1)·LoadDegradation.
	RsplibRandomizedPriorityLeastUsedDegradation PolicyType = 0xb0001004
	// RsplibWeightedRandomDPF is WeightedRandom with weights
	// Weight·(1 - DPF·Distance), at least 1.
	RsplibWeightedRandomDPF PolicyType = 0xb0002001
	// RsplibLeastUsedDPF is LeastUsed by Load + DPF·Distance.
	RsplibLeastUsedDPF PolicyType = 0xb0002002
	// RsplibLeastUsedDegradationDPF is LeastUsed by
	// Load + n·LoadDegradation + DPF·Distance.
	RsplibLeastUsedDegradationDPF PolicyType = 0xb0002003
	// RsplibPriorityLeastUsedDPF has a name and no format: rsplib cannot send it.
	RsplibPriorityLeastUsedDPF PolicyType = 0xb0002004
	// RsplibPriorityLeastUsedDegradationDPF likewise.
	RsplibPriorityLeastUsedDegradationDPF PolicyType = 0xb0002005
)

// A policyField is one 32-bit word of a policy's body.
type policyField uint8

const (
	fieldWeight policyField = iota
	fieldPriority
	fieldLoad
	fieldLoadDegradation
	fieldDPF      // rsplib only
	fieldDistance // rsplib only
)

// policyInfo describes one policy: its names and the words of its body.
type policyInfo struct {
	typ    PolicyType
	name   string // rsplib's and the canonical name
	short  string // RFC 5356's abbreviation or its like, "" if none
	fields []policyField
	raw    bool // the body has no known format
}

// has reports whether f is among the words of the body.
func (i policyInfo) has(f policyField) bool { return slices.Contains(i.fields, f) }

var policies = [...]policyInfo{
	{typ: RoundRobin, name: "RoundRobin", short: "RR"},
	{typ: WeightedRoundRobin, name: "WeightedRoundRobin", short: "WRR", fields: []policyField{fieldWeight}},
	{typ: Random, name: "Random", short: "RAND"},
	{typ: WeightedRandom, name: "WeightedRandom", short: "WRAND", fields: []policyField{fieldWeight}},
	{typ: Priority, name: "Priority", short: "PRIO", fields: []policyField{fieldPriority}},
	{typ: LeastUsed, name: "LeastUsed", short: "LU", fields: []policyField{fieldLoad}},
	{typ: LeastUsedDegradation, name: "LeastUsedDegradation", short: "LUD", fields: loadFields},
	{typ: PriorityLeastUsed, name: "PriorityLeastUsed", short: "PLU", fields: loadFields},
	{typ: RandomizedLeastUsed, name: "RandomizedLeastUsed", short: "RLU", fields: []policyField{fieldLoad}},
	{typ: RsplibRandomizedPriorityLeastUsed, name: "RandomizedPriorityLeastUsed", short: "RPLU", fields: loadFields},
	{typ: RsplibRandomizedLeastUsedDegradation, name: "RandomizedLeastUsedDegradation", short: "RLUD", fields: loadFields},
	{typ: RsplibPriorityLeastUsedDegradation, name: "PriorityLeastUsedDegradation", short: "PLUD", fields: loadFields},
	{typ: RsplibRandomizedPriorityLeastUsedDegradation, name: "RandomizedPriorityLeastUsedDegradation", short: "RPLUD", fields: loadFields},
	{typ: RsplibWeightedRandomDPF, name: "WeightedRandomDPF", short: "WRAND-DPF", fields: []policyField{fieldWeight, fieldDPF, fieldDistance}},
	{typ: RsplibLeastUsedDPF, name: "LeastUsedDPF", short: "LU-DPF", fields: []policyField{fieldLoad, fieldDPF, fieldDistance}},
	{
		typ: RsplibLeastUsedDegradationDPF, name: "LeastUsedDegradationDPF", short: "LUD-DPF",
		fields: []policyField{fieldLoad, fieldLoadDegradation, fieldDPF, fieldDistance},
	},
	{typ: RsplibPriorityLeastUsedDPF, name: "PriorityLeastUsedDPF", raw: true},
	{typ: RsplibPriorityLeastUsedDegradationDPF, name: "PriorityLeastUsedDegradationDPF", raw: true},
}

var loadFields = []policyField{fieldLoad, fieldLoadDegradation}

// info is the description of t, which has no name if t is not among policies.
func (t PolicyType) info() policyInfo {
	for i := range policies {
		if policies[i].typ == t {
			return policies[i]
		}
	}
	return policyInfo{raw: true}
}

// PolicyTypes lists the policies whose format is known, those of RFC 5356 first.
func PolicyTypes() []PolicyType {
	var types []PolicyType
	for i := range policies {
		if !policies[i].raw {
			types = append(types, policies[i].typ)
		}
	}
	return types
}

// Adaptive reports whether the policy uses state that the elements report at run
// time, such as their load: the A bit (RFC 5356 §7.1), which rsplib's numbers lack.
func (t PolicyType) Adaptive() bool { return t&0x40000000 != 0 || t.HasLoad() }

// Private reports whether the number is outside the standards: the X bit.
func (t PolicyType) Private() bool { return t&0x80000000 != 0 }

// Standard reports whether RFC 5356 defines t.
func (t PolicyType) Standard() bool { return t.Known() && !t.Private() }

// Known reports whether the format of t's body is known: t is Standard or one of
// those of rsplib that have a format. Policies of other types keep their body in
// Policy.Raw.
func (t PolicyType) Known() bool { return !t.info().raw }

// HasLoad reports whether Policy.Load counts for t.
func (t PolicyType) HasLoad() bool { return t.info().has(fieldLoad) }

// HasDistance reports whether Policy.Distance counts for t.
func (t PolicyType) HasDistance() bool { return t.info().has(fieldDistance) }

// Valid reports whether t may stand on the wire: 0 and 0x40000000 are reserved as
// invalid (RFC 5356 §7.1).
func (t PolicyType) Valid() bool { return t != 0 && t != 0x40000000 }

// String is the canonical name, which is rsplib's too, or the number in hex.
func (t PolicyType) String() string {
	if i := t.info(); i.name != "" {
		return i.name
	}
	return fmt.Sprintf("0x%08x", uint32(t))
}
