// Command run measures stacks side by side: it takes a plan of measurements,
// lets the peers take turns, and prints medians and ratios as markdown tables.
//
//	run [-rounds 5] [-plan plan.txt] [-base usrsctp] [-o raw.jsonl] [-report FILE] name=command ...
//
// Each measurement starts a new server and a new client process. Peers take turns
// inside every round, so that a noisy minute hits all of them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	out    io.Writer // tables
}

// A peer is one thing to measure: a program with the interface of README.md.
type peer struct {
	name    string
	command []string
}

func main() {
	var r runner
	flag.IntVar(&r.rounds, "rounds", 5, "interleaved `rounds`")
	plan := flag.String("plan", "plan.txt", "plan `file`")
	flag.StringVar(&r.base, "base", "usrsctp", "`peer` that the × columns divide by; where it is missing, the first one")
	rawFile := flag.String("o", "", "append every single result to this `file`, one JSON object a line")
	report := flag.String("report", "", "write the tables with date, machine and command to this `file`")
	flag.StringVar(&r.addr, "addr", "127.0.0.1:7400", "server `address`")
	flag.DurationVar(&r.limit, "limit", time.Minute, "limit of one measurement")
	flag.Parse()
	if err := r.run(*plan, *rawFile, *report); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func (r *runner) run(planFile, rawFile, report string) error {
	var err error
	if r.peers, err = parsePeers(flag.Args()); err != nil {
		return err
	}
	text, err := os.ReadFile(planFile)
	if err != nil {
		return err
	}
	plan, err := parsePlan(string(text))
	if err != nil {
		return err
	}
	r.raw = io.Discard
	if rawFile != "" {
		f, err := os.OpenFile(rawFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		r.raw = f
	}
	var tables strings.Builder
	r.out = io.MultiWriter(os.Stdout, &tables)
	began := time.Now()
	for _, t := range plan {
		r.test(t)
	}
	if report == "" {
		return nil
	}
	head := header(began, time.Since(began), r.rounds, filepath.Base(planFile), r.peers)
	return os.WriteFile(report, []byte(head+tables.String()), 0o644)
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

// test measures one line of the plan with every peer it is for.
func (r *runner) test(t test) {
	use := slices.DeleteFunc(slices.Clone(r.peers), func(p peer) bool { return !t.takes(p.name) })
	if len(use) == 0 {
		return
	}
	got := map[string][]result{}
	for round := range r.rounds {
		for i := range use {
			p := use[(i+round)%len(use)]
			res, err := r.measure(p, t)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s: %v\n", p.name, t, err)
				continue
			}
			got[p.name] = append(got[p.name], res)
			// The raw file is a by-product: the tables go on without it.
			_ = json.NewEncoder(r.raw).Encode(result{"peer": p.name, "mtu": t.mtu, "test": strings.Join(t.mode, " "), "r": res})
		}
	}
	r.table(t, use, got)
}
