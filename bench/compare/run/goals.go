package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A goal is one line of the targets: a figure of ours, and what it shall be compared
// with that of another peer, or in itself.
type goal struct {
	test    test
	column  column
	peer    string
	atLeast bool // or at most
	limit   float64
	text    string // the limit as it is written
	of      string // the peer whose figure the limit multiplies, "" for none
}

// parseGoals reads targets, one a line:
//
//	TEST FIGURE PEER <=|>= LIMIT [PEER]
//
// TEST is an id of the plan, FIGURE a key of the columns of its mode, LIMIT a number or
// a fraction like 1/10. With a second peer the limit is a multiple of its figure.
func parseGoals(text string, plan []test) ([]goal, error) {
	tests := map[string]test{}
	for _, t := range plan {
		tests[t.id] = t
	}
	var goals []goal
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		bad := func(why string) error { return fmt.Errorf("targets: %q: %s", strings.TrimSpace(line), why) }
		if len(f) != 5 && len(f) != 6 {
			return nil, bad("not TEST FIGURE PEER <=|>= LIMIT [PEER]")
		}
		t, ok := tests[f[0]]
		if !ok {
			return nil, bad("the plan has no such test")
		}
		g := goal{test: t, peer: f[2], atLeast: f[3] == ">=", text: f[4]}
		if g.column, ok = columnOf(t.mode[0], f[1]); !ok {
			return nil, bad("the test has no such figure")
		}
		if f[3] != ">=" && f[3] != "<=" {
			return nil, bad("neither <= nor >=")
		}
		var err error
		if g.limit, err = fraction(f[4]); err != nil {
			return nil, bad("the limit is no number")
		}
		if len(f) == 6 {
			g.of = f[5]
		}
		for _, p := range []string{g.peer, g.of} {
			if p != "" && !t.takes(p) {
				return nil, bad("the test is not for " + p)
			}
		}
		goals = append(goals, g)
	}
	return goals, nil
}

// fraction reads a number or two with a slash between them.
func fraction(s string) (float64, error) {
	over, under, ok := strings.Cut(s, "/")
	if !ok {
		under = "1"
	}
	a, err := strconv.ParseFloat(over, 64)
	if err != nil {
		return 0, err
	}
	b, err := strconv.ParseFloat(under, 64)
	if err == nil && b == 0 {
		err = strconv.ErrRange
	}
	return a / b, err
}

// A verdict is a goal with what was measured.
type verdict struct {
	goal
	ours, theirs float64 // NaN: not measured
	value        float64 // what the limit is for: ours, or its ratio to theirs
}

func (v verdict) measured() bool { return !math.IsNaN(v.value) }

func (v verdict) met() bool {
	return v.atLeast && v.value >= v.limit || !v.atLeast && v.value <= v.limit
}

// judge measures a goal with the medians of a run.
func (g goal) judge(got *results) verdict {
	of := func(peer string) float64 {
		if m, ok := got.median(g.test.id, peer, g.column); ok {
			return m
		}
		return math.NaN()
	}
	v := verdict{goal: g, ours: of(g.peer), theirs: math.NaN()}
	v.value = v.ours
	if g.of != "" {
		v.theirs = of(g.of)
		v.value = v.ours / v.theirs
	}
	return v
}

// verdicts writes the table of the goals whose tests were run.
func verdicts(w io.Writer, goals []goal, got *results) {
	// A test that was not part of the run is no news.
	goals = slices.DeleteFunc(slices.Clone(goals), func(g goal) bool { return len(got.by[g.test.id]) == 0 })
	if len(goals) == 0 {
		return
	}
	met, known := 0, 0
	var rows [][]string
	for _, g := range goals {
		v := g.judge(got)
		answer := "not measured"
		if v.measured() {
			known++
			answer = "no"
			if v.met() {
				met, answer = met+1, "**yes**"
			}
		}
		rows = append(rows, []string{
			g.test.id, g.column.title, g.peer, figure(v.ours), g.of, figure(v.theirs), v.ratio(), g.want(), answer,
		})
	}
	fmt.Fprintf(w, "\n## Targets\n\n%d of %d measured targets are met.\n\n", met, known)
	row(w, []string{"test", "figure", "of", "is", "against", "is", "ratio", "target", "met"})
	row(w, []string{"---", "---", "---", "---:", "---", "---:", "---:", "---:", "---"})
	for _, r := range rows {
		row(w, r)
	}
}

// want is the target in words of the table.
func (g goal) want() string {
	sign, limit := "≤", g.text
	if g.atLeast {
		sign = "≥"
	}
	if g.of != "" && !strings.Contains(limit, "/") {
		limit += "×"
	} else if g.of == "" {
		limit = figure(g.limit)
	}
	return sign + " " + limit
}

// ratio is the measured multiple, as a fraction where it is below one.
func (v verdict) ratio() string {
	switch {
	case v.of == "" || !v.measured():
		return ""
	case v.value < 0.95:
		return "1/" + figure(1/v.value)
	}
	return figure(v.value) + "×"
}
