package core

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rserpool/rserpool/rserpool"
)

// Operation is something that an AccessList decides about.
type Operation uint8

// The operations, with who asks for them.
const (
	OpRegister   Operation = iota + 1 // an element: to be in a pool (RFC 5352 §3.1)
	OpDeregister                      // an element: to leave it (§3.2)
	OpResolve                         // a user: the elements of a pool, and updates of them (§3.3)
	OpReport                          // a user: that an element is unreachable (§3.5)
	OpPeer                            // a registrar: to be a peer (RFC 5353 §3.4)
	OpTakeOver                        // a registrar: to take over another (§3.5)
)

var operationNames = [...]string{
	OpRegister: "register", OpDeregister: "deregister", OpResolve: "resolve",
	OpReport: "report", OpPeer: "peer", OpTakeOver: "takeover",
}

// String is the operation in a word, as ParseAccessRule reads it.
func (o Operation) String() string {
	if o > 0 && int(o) < len(operationNames) {
		return operationNames[o]
	}
	return fmt.Sprintf("operation(%d)", uint8(o))
}

// AccessRule allows or denies operations. Each of its lists that is empty matches
// everything.
type AccessRule struct {
	Allow      bool
	Operations []Operation
	// From are networks; an association counts as coming from the address that its
	// packets come from, not from others it claims to have.
	From []netip.Prefix
	// Pools are patterns of pool handles: * stands for any bytes, ? for one. They do
	// not matter for what registrars ask for, which concerns all pools.
	Pools []string
}

// AccessList says who may do what (RFC 5355 §2.2, §2.4, §2.5). The first rule that
// matches decides; what none matches is allowed, so that a list that names those who
// may ends with a rule that denies the rest. Addresses are all there is to tell
// hosts apart without TLS.
type AccessList []AccessRule

// Allows reports whether a host may do something with a pool. The pool does not matter
// for OpPeer and OpTakeOver.
func (l AccessList) Allows(op Operation, from netip.Addr, pool rserpool.PoolHandle) bool {
	for i := range l {
		if l[i].matches(op, from, pool) {
			return l[i].Allow
		}
	}
	return true
}

func (a *AccessRule) matches(op Operation, from netip.Addr, pool rserpool.PoolHandle) bool {
	from = from.Unmap()
	switch {
	case len(a.Operations) > 0 && !slices.Contains(a.Operations, op),
		len(a.From) > 0 && !slices.ContainsFunc(a.From, func(p netip.Prefix) bool { return p.Contains(from) }):
		return false
	case len(a.Pools) == 0, op == OpPeer, op == OpTakeOver:
		return true
	}
	return slices.ContainsFunc(a.Pools, func(p string) bool { return match(p, string(pool)) })
}

// match reports whether s is of the pattern. It takes no longer than the product of
// their lengths, whatever the pattern.
func match(pattern, s string) bool {
	star, mark := -1, 0 // the last *, and where what stands for it ends
	p := 0
	for i := 0; i < len(s); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// ParseAccessRule reads a rule such as
//
//	allow register,deregister from 192.0.2.0/24,2001:db8::/32 pool web-*,db
//	deny register
//	allow peer,takeover from 10.0.0.1,10.0.0.2
//	deny all
//
// "all" means all operations; "from" and "pool" may be left out. A pattern with a
// space or comma cannot be written this way.
func ParseAccessRule(s string) (AccessRule, error) {
	var r AccessRule
	words := strings.Fields(s)
	if len(words) < 2 || len(words)%2 != 0 || words[0] != "allow" && words[0] != "deny" {
		return r, fmt.Errorf("registrar: access rule %q: want allow or deny, operations, and perhaps from and pool", s)
	}
	r.Allow = words[0] == "allow"
	err := r.parseOperations(words[1])
	for i := 2; i < len(words) && err == nil; i += 2 {
		list := strings.Split(words[i+1], ",")
		switch {
		case words[i] == "from" && r.From == nil:
			r.From, err = parsePrefixes(list)
		case words[i] == "pool" && r.Pools == nil && !slices.Contains(list, ""):
			r.Pools = list
		default:
			err = fmt.Errorf("unexpected %q", words[i]+" "+words[i+1])
		}
	}
	if err != nil {
		return AccessRule{}, fmt.Errorf("registrar: access rule %q: %w", s, err)
	}
	return r, nil
}

func (a *AccessRule) parseOperations(s string) error {
	if s == "all" {
		return nil
	}
	for _, name := range strings.Split(s, ",") {
		i := slices.Index(operationNames[:], name)
		if i <= 0 {
			return fmt.Errorf("unknown operation %q (all, %s)", name, strings.Join(operationNames[1:], ", "))
		}
		a.Operations = append(a.Operations, Operation(i))
	}
	return nil
}

// parsePrefixes reads networks and single addresses.
func parsePrefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// String is the form that ParseAccessRule reads.
func (a AccessRule) String() string {
	s := "deny "
	if a.Allow {
		s = "allow "
	}
	s += join(a.Operations, "all")
	if len(a.From) > 0 {
		s += " from " + join(a.From, "")
	}
	if len(a.Pools) > 0 {
		s += " pool " + strings.Join(a.Pools, ",")
	}
	return s
}

func join[T fmt.Stringer](list []T, empty string) string {
	if len(list) == 0 {
		return empty
	}
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.String()
	}
	return strings.Join(names, ",")
}

// allows asks the access list about the other side of a connection.
func (r *Registrar) allows(op Operation, c *conn, pool rserpool.PoolHandle) bool {
	if len(r.cfg.Access) == 0 {
		return true
	}
	if r.cfg.Access.Allows(op, firstAddr(c.remote.Addrs), pool) {
		return true
	}
	r.stats.Denied++
	return false
}

// firstAddr is where packets come from, the zero address if that is not known.
func firstAddr(addrs []netip.Addr) netip.Addr {
	if len(addrs) == 0 {
		return netip.Addr{}
	}
	return addrs[0]
}
