package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// ratio says how many times better v is than base.
func ratio(v, base float64, better int) float64 {
	if better < 0 {
		return base / v
	}
	return v / base
}

// table writes the medians of one test, and how often and why a peer failed.
func table(w io.Writer, t test, got *results, base string) {
	peers := got.peers(t.id)
	if len(peers) == 0 {
		return
	}
	if len(got.good(t.id, base)) == 0 {
		base = peers[0]
	}
	cols := shown(t, got, peers)
	head, rule := []string{"peer"}, []string{"---"}
	for _, c := range cols {
		head, rule = append(head, c.title), append(rule, "---:")
		if c.better != 0 {
			head, rule = append(head, "×"), append(rule, "---:")
		}
	}
	head, rule = append(head, "runs"), append(rule, "---:")
	fmt.Fprintf(w, "\n### %s: %s\n\n× = times better than %s\n\n", t.id, t, base)
	row(w, head)
	row(w, rule)
	var failures []string
	for _, p := range peers {
		all, good := got.by[t.id][p], got.good(t.id, p)
		if len(good) < len(all) {
			failures = append(failures, failure(p, all))
		}
		if len(good) == 0 {
			continue
		}
		cells := []string{p}
		for _, c := range cols {
			v, _ := got.median(t.id, p, c)
			cells = append(cells, figure(v))
			if c.better != 0 {
				b, _ := got.median(t.id, base, c)
				cells = append(cells, figure(ratio(v, b, c.better)))
			}
		}
		row(w, append(cells, fmt.Sprint(len(good))))
	}
	for _, f := range failures {
		fmt.Fprintf(w, "\n%s\n", f)
	}
}

// shown are the columns that at least one peer has a figure for.
func shown(t test, got *results, peers []string) []column {
	var cols []column
	for _, c := range columns[t.mode[0]] {
		for _, p := range peers {
			if v, ok := got.median(t.id, p, c); ok && !math.IsNaN(v) {
				cols = append(cols, c)
				break
			}
		}
	}
	return cols
}

// failure is the sentence about a peer that failed.
func failure(peer string, all []outcome) string {
	n, why := 0, ""
	for _, o := range all {
		if o.Error != "" {
			n, why = n+1, o.Error
		}
	}
	return fmt.Sprintf("%s failed %d of %d times: `%s`", peer, n, len(all), strings.ReplaceAll(why, "`", "'"))
}

func row(w io.Writer, cells []string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	fmt.Fprintln(w, "| "+strings.Join(cells, " | ")+" |")
}

// figure prints three digits that count.
func figure(v float64) string {
	switch {
	case math.IsNaN(v): // a figure that the peer does not report
		return "–"
	case math.IsInf(v, 0):
		return "∞"
	case v >= 100 || v <= -100:
		return thousands(fmt.Sprintf("%.0f", v))
	case v != 0 && math.Abs(v) < 0.001:
		return "0.000"
	}
	return fmt.Sprintf("%.3g", v)
}

// thousands puts commas into an integer of more than four digits.
func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if len(s) <= 4 {
		return sign + s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
