package registrar

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// matcher finds pools and elements by words, which must all be there.
type matcher struct{ words []string }

func newMatcher(q string) matcher {
	m := matcher{strings.Fields(strings.ToLower(q))}
	for i, w := range m.words {
		m.words[i] = strings.TrimPrefix(w, "0x") // identifiers may be given without their zeros
	}
	return m
}

func (m matcher) in(text string) bool {
	text = strings.ToLower(text)
	for _, w := range m.words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// elements returns the elements of p that match: all, if the pool's name does.
func (m matcher) elements(p *PoolStatus) []*ElementStatus {
	whole := m.in(p.Name)
	var out []*ElementStatus
	for i := range p.Elements {
		e := &p.Elements[i]
		if whole || m.in(p.Name+" "+e.ID+" "+e.Home+" "+e.Policy.Text+" "+e.Transports[0].String()) {
			out = append(out, e)
		}
	}
	return out
}

// HasLoad reports whether the element's policy has a load.
func (e *ElementStatus) HasLoad() bool { return strings.Contains(e.Policy.Type, "LeastUsed") }

// Constants is the policy's values without its name and load.
func (e *ElementStatus) Constants() string {
	s, _, _ := strings.Cut(e.Policy.Text, " load=")
	_, s, _ = strings.Cut(s, ":")
	switch {
	case s == "":
		return ""
	case strings.HasPrefix(e.Policy.Type, "Weighted"):
		return "weight " + s
	case strings.HasPrefix(e.Policy.Type, "Priority:"), e.Policy.Type == "Priority":
		return "priority " + s
	case e.HasLoad():
		return "+" + s + " each"
	}
	return s
}

// Address is where the element is reached, as the commands write it.
func (e *ElementStatus) Address() string { return e.Transports[0].String() }

// String is "sctp 192.0.2.1:7@9899".
func (t *TransportStatus) String() string {
	var b strings.Builder
	b.WriteString(t.Protocol + " ")
	for i, a := range t.Addresses {
		if i > 0 {
			b.WriteByte('/')
		}
		if a.Is6() {
			b.WriteString("[" + a.String() + "]")
		} else {
			b.WriteString(a.String())
		}
	}
	if t.Port != 0 {
		fmt.Fprintf(&b, ":%d", t.Port)
	}
	if t.UDPPort != 0 {
		fmt.Fprintf(&b, "@%d", t.UDPPort)
	}
	return b.String()
}

// printable replaces what does not show, or changes how its neighbours show, by escape
// sequences of Go.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != 0xef:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// span writes seconds for people.
func span(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case s < 0:
		return "never"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", s)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(s))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d/time.Minute), int(d%time.Minute/time.Second))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
	}
	return fmt.Sprintf("%d d %d h", int(d/(24*time.Hour)), int(d%(24*time.Hour)/time.Hour))
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// rate writes a number of things each second.
func rate(v float64) string {
	switch {
	case v == 0:
		return "0/s"
	case v < 10:
		return fmt.Sprintf("%.1f/s", v)
	}
	return fmt.Sprintf("%.0f/s", v)
}

// count writes a number with its digits in groups of three, and a word for it.
func count(n any, words ...string) string {
	digits := fmt.Sprint(n)
	s := digits
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:] // a narrow space that does not break
	}
	switch {
	case len(words) == 0:
		return s
	case digits == "1":
		return s + " " + words[0]
	}
	return s + " " + words[1]
}

// spark draws the activity of the last minute.
func spark(values []uint64) template.HTML {
	if len(values) < 2 {
		return ""
	}
	top := uint64(1)
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	b.WriteString(`<svg class="spark" viewBox="0 0 59 16" preserveAspectRatio="none" aria-hidden="true"><polyline points="`)
	for i, v := range values {
		fmt.Fprintf(&b, "%d,%.1f ", rateSeconds-1-len(values)+i+1, 15-14*float64(v)/float64(top))
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers only
}

// Find removes pools and elements that do not have all words of a query in their names,
// identifiers, homes, policies or addresses.
func (s *Status) Find(query string) {
	m := newMatcher(query)
	if len(m.words) == 0 {
		return
	}
	pools := []PoolStatus{}
	for i := range s.Pools {
		p := s.Pools[i]
		p.Elements = nil
		for _, e := range m.elements(&s.Pools[i]) {
			p.Elements = append(p.Elements, *e)
		}
		if len(p.Elements) > 0 {
			pools = append(pools, p)
		}
	}
	s.Pools = pools
}
