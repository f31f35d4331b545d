package rserpool

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// ParsePolicy reads a policy as rsplib's programs name it on their command line
// and as Policy.String prints it: a name (RFC 5356's abbreviation will do, in any
// case) and its constants behind colons, such as "RoundRobin",
// "WeightedRoundRobin:3", "Priority:10", "LeastUsed" or
// "LeastUsedDegradation:0.25". Weights and priorities are whole numbers,
// degradations and rsplib's distance penalty factors are fractions of 0 to 1.
// Constants left out are 1 for a weight and 0 for the rest. " load=0.5" may
// follow a policy with a load; it is 0 otherwise.
//
// A policy of a type that is not standard is given by its name or number and
// " raw=" with its body in hex; for rsplib's private ones the constants will do.
func ParsePolicy(s string) (Policy, error) {
	spec, extra, _ := strings.Cut(strings.TrimSpace(s), " ")
	args := strings.Split(spec, ":")
	info, err := parsePolicyType(args[0])
	if err != nil {
		return Policy{}, err
	}
	p := Policy{Type: info.typ}
	words, err := parsePolicyWords(info, args[1:])
	if err != nil {
		return Policy{}, err
	}
	if p.Type.Standard() {
		for i, f := range info.fields {
			*p.field(f) = words[i]
		}
	} else {
		for _, w := range words {
			p.Raw = binary.BigEndian.AppendUint32(p.Raw, w)
		}
	}
	if err := p.parseExtra(info, strings.TrimSpace(extra)); err != nil {
		return Policy{}, err
	}
	return p, p.Validate()
}

// parsePolicyType finds the policy by name, abbreviation or hex number.
func parsePolicyType(name string) (policyInfo, error) {
	for _, p := range policies {
		if strings.EqualFold(name, p.name) || p.short != "" && strings.EqualFold(name, p.short) {
			return p, nil
		}
	}
	if n, err := strconv.ParseUint(name, 0, 32); err == nil && PolicyType(n).Valid() {
		if p, ok := PolicyType(n).info(); ok {
			return p, nil
		}
		return policyInfo{typ: PolicyType(n)}, nil
	}
	return policyInfo{}, fmt.Errorf("rserpool: unknown policy %q", name)
}

// parsePolicyWords turns the constants behind the name into the body's words.
// Load and distance are state, not constants: they are not among the arguments.
func parsePolicyWords(info policyInfo, args []string) ([]uint32, error) {
	words := make([]uint32, len(info.fields))
	for i, f := range info.fields {
		if f == fieldWeight {
			words[i] = 1
		}
		if f == fieldLoad || f == fieldDistance || len(args) == 0 {
			continue
		}
		v, err := parseConstant(f, args[0])
		if err != nil {
			return nil, fmt.Errorf("rserpool: policy %s: %w", info.typ, err)
		}
		words[i], args = v, args[1:]
	}
	if len(args) > 0 {
		return nil, fmt.Errorf("rserpool: policy %s: too many constants", info.typ)
	}
	return words, nil
}

func parseConstant(f policyField, s string) (uint32, error) {
	if f == fieldWeight || f == fieldPriority {
		n, err := strconv.ParseUint(s, 0, 32)
		return uint32(n), err
	}
	return parseFraction(s)
}

func parseFraction(s string) (uint32, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err == nil && !(v >= 0 && v <= 1) {
		err = fmt.Errorf("%q is not a fraction of 0 to 1", s)
	}
	return LoadOf(v), err
}

// parseExtra reads what may follow the constants: "load=0.5" or "raw=00…".
func (p *Policy) parseExtra(info policyInfo, s string) error {
	key, value, _ := strings.Cut(s, "=")
	var err error
	switch {
	case s == "":
	case key == "load" && p.Type.Standard() && p.Type.Adaptive():
		p.Load, err = parseFraction(value)
	case key == "raw" && !p.Type.Standard():
		p.Raw, err = hex.DecodeString(value)
	default:
		err = fmt.Errorf("cannot have %q", s)
	}
	if err != nil {
		return fmt.Errorf("rserpool: policy %s: %w", info.typ, err)
	}
	return nil
}
