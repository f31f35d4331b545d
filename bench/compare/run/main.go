// Command run measures stacks side by side: it takes a plan of measurements,
// lets the peers take turns, and prints medians and ratios as markdown tables.
//
//	run [-rounds 5] [-plan plan.txt] [-only bulk,assoc] [-targets targets.txt]
//	    [-o raw.jsonl] [-report FILE] [-plot FILE] name=command ...
//	run -render raw.jsonl [-plan plan.txt] [-targets targets.txt] [-report FILE] [-plot FILE]
//
// Each measurement starts a new server and a new client process. Peers take turns
// inside every round, so that a noisy minute hits all of them. Every single result
// goes to the raw file, from which -render makes report and plot again.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A runner is one run of a plan.
type runner struct {
	rounds int
	base   string
	addr   string
	limit  time.Duration
	peers  []peer
	raw    io.Writer // every result, a JSON object a line
	out    io.Writer // the report
	log    io.Writer // progress
}

// A peer is one thing to measure: a program with the interface of README.md.
type peer struct {
	name    string
	command []string
}

// files are what a run reads and writes.
type files struct {
	plan, only, targets, raw, report, plot, render, with, command string
}

func main() {
	r := runner{out: os.Stdout, log: os.Stderr}
	var f files
	flag.IntVar(&r.rounds, "rounds", 5, "interleaved `rounds`")
	flag.StringVar(&r.base, "base", "usrsctp", "`peer` that the × columns divide by; where it is missing, the first one")
	flag.StringVar(&r.addr, "addr", "127.0.0.1:7400", "server `address`")
	flag.DurationVar(&r.limit, "limit", 30*time.Second, "how much longer than planned one measurement may take")
	flag.StringVar(&f.plan, "plan", "plan.txt", "plan `file`")
	flag.StringVar(&f.only, "only", "", "run only the tests whose ids begin with one of these `prefixes`, with commas between")
	flag.StringVar(&f.targets, "targets", "", "judge the results by this `file`")
	flag.StringVar(&f.raw, "o", "", "write every single result to this `file`, one JSON object a line")
	flag.StringVar(&f.report, "report", "", "write the tables with date, machine and command to this `file`")
	flag.StringVar(&f.plot, "plot", "", "draw the figures that matter most into this SVG `file`")
	flag.StringVar(&f.with, "with", "", "markdown `files` that the report links, with commas between; missing ones are left out")
	flag.StringVar(&f.command, "as", strings.Join(os.Args, " "), "the `command` that the report names")
	flag.StringVar(&f.render, "render", "", "measure nothing, take the results of this raw `file`")
	flag.Parse()
	if err := r.run(f, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func (r *runner) run(f files, args []string) error {
	text, err := os.ReadFile(f.plan)
	if err != nil {
		return err
	}
	plan, err := parsePlan(string(text))
	if err != nil {
		return err
	}
	var goals []goal
	if f.targets != "" {
		text, err := os.ReadFile(f.targets)
		if err != nil {
			return err
		}
		if goals, err = parseGoals(string(text), plan); err != nil {
			return err
		}
	}
	var got *results
	if f.render != "" {
		got, err = readResults(f.render)
	} else {
		got, err = r.measureAll(f, plan, args)
	}
	if err != nil {
		return err
	}
	rep := report{results: got, plan: plan, goals: goals, base: r.base, with: f.with}
	if f.plot != "" && f.report != "" {
		rep.plot = relative(f.report, f.plot)
	}
	if err := rep.write(r.out, f.report); err != nil {
		return err
	}
	if f.plot == "" {
		return nil
	}
	return os.WriteFile(f.plot, []byte(drawPlot(got, panels)), 0o644)
}

// measureAll runs the chosen tests of the plan.
func (r *runner) measureAll(f files, plan []test, args []string) (*results, error) {
	plan, err := choose(plan, f.only)
	if err != nil {
		return nil, err
	}
	if r.peers, err = parsePeers(args); err != nil {
		return nil, err
	}
	r.raw = io.Discard
	if f.raw != "" {
		w, err := os.Create(f.raw)
		if err != nil {
			return nil, err
		}
		defer w.Close()
		r.raw = w
	}
	got := newResults(about(r.rounds, f.command, r.peers))
	if err := got.writeHead(r.raw); err != nil {
		return nil, err
	}
	began := time.Now()
	for i, t := range plan {
		fmt.Fprintf(r.log, "%6s  %d/%d  %s: %s\n", time.Since(began).Round(time.Second), i+1, len(plan), t.id, t)
		if err := r.test(t, got); err != nil {
			return nil, err
		}
	}
	got.about.Took = time.Since(began).Round(time.Second).String()
	return got, got.writeHead(r.raw)
}

func parsePeers(args []string) ([]peer, error) {
	var peers []peer
	for _, a := range args {
		name, command, ok := strings.Cut(a, "=")
		if !ok || strings.TrimSpace(command) == "" {
			return nil, fmt.Errorf("%q is not name=command", a)
		}
		peers = append(peers, peer{name, strings.Fields(command)})
	}
	if len(peers) == 0 {
		return nil, fmt.Errorf("no peers given")
	}
	return peers, nil
}

// test measures one line of the plan with every peer it is for. Peers that failed
// twice without a result are not tried again.
func (r *runner) test(t test, got *results) error {
	use := slices.DeleteFunc(slices.Clone(r.peers), func(p peer) bool { return !t.takes(p.name) })
	rounds := r.rounds
	if t.rounds > 0 {
		rounds = min(rounds, t.rounds)
	}
	for round := range rounds {
		outcomes := make([]outcome, len(use))
		var wg sync.WaitGroup
		for i := range use {
			at := (i + round) % len(use)
			if got.hopeless(t.id, use[at].name) {
				continue
			}
			one := func() {
				res, err := r.measure(use[at], t, round)
				outcomes[at] = outcome{Test: t.id, Peer: use[at].name, Round: round, Result: res}
				if err != nil {
					outcomes[at].Result, outcomes[at].Error = nil, err.Error()
					fmt.Fprintf(r.log, "        %s: %s: %v\n", use[at].name, t.id, err)
				}
			}
			if wg.Go(one); !t.together {
				wg.Wait()
			}
		}
		wg.Wait()
		for _, o := range outcomes {
			if o.Test == "" {
				continue
			}
			if err := got.add(o, r.raw); err != nil {
				return err
			}
		}
	}
	return nil
}
