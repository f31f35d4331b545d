package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rserpool/rserpool/bench/compare/link"
)

// A test is one line of a plan: ID MTU MODE ARGS and options, see parsePlan.
type test struct {
	section  string // the heading above it
	id       string
	mtu      string
	mode     []string // mode and its arguments
	rounds   int      // at most so many, 0 for as many as the run has
	together bool     // all peers at the same time
	link     string   // a link.Spec: through this path instead of the loopback
	only     []string // patterns of peers it is for, nil for all
	unfit    []string // patterns of peers it is not for
}

func (t test) String() string {
	s := fmt.Sprintf("%s (MTU %s)", strings.Join(t.mode, " "), t.mtu)
	if t.link != "" {
		sp, _ := link.ParseSpec(t.link)
		s = fmt.Sprintf("%s (RTT %v, %g %% lost)", strings.Join(t.mode, " "), sp.RTT, sp.Loss*100)
	}
	return s
}

// size is the message size of the modes that have one.
func (t test) size() float64 {
	if len(t.mode) < 2 {
		return 0
	}
	v, _ := strconv.ParseFloat(t.mode[1], 64)
	return v
}

// duration is how long the measurement takes by its arguments, without what it takes
// to set up and to end.
func (t test) duration() time.Duration {
	unit, at := time.Millisecond, 2
	switch t.mode[0] {
	case "idle":
		unit = time.Second
	case "assoc":
		at = 1
	case "pingpong":
		return 0
	}
	if len(t.mode) <= at {
		return 0
	}
	n, _ := strconv.Atoi(t.mode[at])
	return time.Duration(n) * unit
}

// takes says whether the test is for the peer of that name.
func (t test) takes(name string) bool {
	if t.only != nil {
		return matches(t.only, name)
	}
	return !matches(t.unfit, name)
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

// parsePlan reads a plan:
//
//	# a comment
//	[Heading of the tests below]
//	ID MTU MODE ARGS [rounds=N] [together] [link=SPEC] [@peer,... | @!peer,...]
//
// rounds limits the rounds of a long test. together runs all peers at the same time,
// which fits where none of them can use the processor up. Peers are patterns: only
// these, or with ! all but these.
func parsePlan(text string) ([]test, error) {
	var plan []test
	section, seen := "", map[string]bool{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if heading, ok := strings.CutPrefix(line, "["); ok {
			if section, ok = strings.CutSuffix(heading, "]"); !ok {
				return nil, fmt.Errorf("plan: %q is no heading", line)
			}
			continue
		}
		t, err := parseTest(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("plan: %q: %w", line, err)
		}
		if seen[t.id] {
			return nil, fmt.Errorf("plan: two tests have the id %q", t.id)
		}
		seen[t.id], t.section = true, section
		plan = append(plan, t)
	}
	return plan, nil
}

func parseTest(f []string) (test, error) {
	var t test
	var words []string
	for _, w := range f {
		name, value, _ := strings.Cut(w, "=")
		var err error
		switch {
		case name == "rounds":
			if t.rounds, err = strconv.Atoi(value); err == nil && t.rounds < 1 {
				err = fmt.Errorf("%q is no number of rounds", value)
			}
		case name == "link":
			t.link = value
			_, err = link.ParseSpec(value)
		case w == "together":
			t.together = true
		case strings.HasPrefix(w, "@!"):
			t.unfit = strings.Split(w[2:], ",")
		case strings.HasPrefix(w, "@"):
			t.only = strings.Split(w[1:], ",")
		default:
			words = append(words, w)
		}
		if err != nil {
			return t, err
		}
	}
	if len(words) < 4 {
		return t, fmt.Errorf("not ID MTU MODE ARGS")
	}
	t.id, t.mtu, t.mode = words[0], words[1], words[2:]
	if _, err := strconv.Atoi(t.mtu); err != nil {
		return t, fmt.Errorf("%q is no MTU", t.mtu)
	}
	if columns[t.mode[0]] == nil {
		return t, fmt.Errorf("there is no mode %q", t.mode[0])
	}
	return t, nil
}

// choose keeps the tests whose id begins with one of the prefixes, a list with commas;
// "" keeps all but those that begin with "extra-".
func choose(plan []test, prefixes string) ([]test, error) {
	var kept []test
	for _, t := range plan {
		wanted := prefixes == "" && !strings.HasPrefix(t.id, "extra-")
		for p := range strings.SplitSeq(prefixes, ",") {
			wanted = wanted || p != "" && strings.HasPrefix(t.id, p)
		}
		if wanted {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("no test of the plan has an id that begins with one of %q", prefixes)
	}
	return kept, nil
}
