package rserpool

import (
	"encoding/hex"
	"errors"
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
// follow a policy with a load and " distance=50" one with a distance; they are 0
// otherwise.
//
// A policy whose format is not known is given by its name or number and " raw="
// with its body in hex.
func ParsePolicy(s string) (Policy, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Policy{}, errors.New("rserpool: no policy")
	}
	args := strings.Split(words[0], ":")
	t, err := parsePolicyType(args[0])
	if err != nil {
		return Policy{}, err
	}
	p := Policy{Type: t}
	if err := p.parseConstants(args[1:]); err != nil {
		return Policy{}, fmt.Errorf("rserpool: policy %s: %w", t, err)
	}
	for _, w := range words[1:] {
		if err := p.parseState(w); err != nil {
			return Policy{}, fmt.Errorf("rserpool: policy %s: %w", t, err)
		}
	}
	return p, p.Validate()
}

// parsePolicyType finds the policy by name, abbreviation or number.
func parsePolicyType(name string) (PolicyType, error) {
	for _, p := range policies {
		if strings.EqualFold(name, p.name) || p.short != "" && strings.EqualFold(name, p.short) {
			return p.typ, nil
		}
	}
	if n, err := strconv.ParseUint(name, 0, 32); err == nil && PolicyType(n).Valid() {
		return PolicyType(n), nil
	}
	return 0, fmt.Errorf("rserpool: unknown policy %q", name)
}

// parseConstants reads what stands behind colons. Load and distance are state, not
// constants: they are not among them.
func (p *Policy) parseConstants(args []string) error {
	for _, f := range p.Type.info().fields {
		if f == fieldWeight {
			p.Weight = 1
		}
		if f == fieldLoad || f == fieldDistance || len(args) == 0 {
			continue
		}
		v, err := parseConstant(f, args[0])
		if err != nil {
			return err
		}
		*p.field(f), args = v, args[1:]
	}
	if len(args) > 0 {
		return errors.New("too many constants")
	}
	return nil
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

// parseState reads one word of what may follow the constants: "load=0.5",
// "distance=50" or "raw=00…".
func (p *Policy) parseState(s string) error {
	key, value, _ := strings.Cut(s, "=")
	var err error
	switch {
	case key == "load" && p.Type.HasLoad():
		p.Load, err = parseFraction(value)
	case key == "distance" && p.Type.HasDistance():
		var n uint64
		n, err = strconv.ParseUint(value, 0, 32)
		p.Distance = uint32(n)
	case key == "raw" && !p.Type.Known():
		p.Raw, err = hex.DecodeString(value)
	default:
		err = fmt.Errorf("cannot have %q", s)
	}
	return err
}
