package main

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// A test is one line of a plan: MTU MODE ARGS [@peer,... | @!peer,...].
type test struct {
	mtu   string
	mode  []string // mode and its arguments
	only  []string // patterns of peers it is for, nil for all
	unfit []string // patterns of peers it is not for
}

func (t test) String() string { return fmt.Sprintf("%s (MTU %s)", strings.Join(t.mode, " "), t.mtu) }

// size is the message size of the modes that have one.
func (t test) size() float64 {
	if len(t.mode) < 2 {
		return 0
	}
	v, _ := strconv.ParseFloat(t.mode[1], 64)
	return v
}

// takes says whether the test is for the peer of that name.
func (t test) takes(name string) bool {
	if t.only != nil {
		return matches(t.only, name)
	}
	return !matches(t.unfit, name)
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// parsePlan reads a plan: a test a line, # begins a comment.
func parsePlan(text string) ([]test, error) {
	var plan []test
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		t := test{mtu: f[0]}
		if last := f[len(f)-1]; last[0] == '@' {
			f = f[:len(f)-1]
			if list, but := strings.CutPrefix(last[1:], "!"); but {
				t.unfit = strings.Split(list, ",")
			} else {
				t.only = strings.Split(list, ",")
			}
		}
		if t.mode = f[1:]; len(t.mode) < 2 {
			return nil, fmt.Errorf("plan: %q is not MTU MODE ARGS [@peers]", strings.TrimSpace(line))
		}
		if columns[t.mode[0]] == nil {
			return nil, fmt.Errorf("plan: there is no mode %q", t.mode[0])
		}
		plan = append(plan, t)
	}
	return plan, nil
}
