package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// An outcome is one measurement, as a line of the raw file keeps it.
type outcome struct {
	Test   string `json:"test"`
	Peer   string `json:"peer"`
	Round  int    `json:"round"`
	Result result `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// aboutRun is what was run, when, and on what: the first line of the raw file, and
// again the last, with the time it took.
type aboutRun struct {
	Date    string     `json:"date"`
	Commit  string     `json:"commit"`
	Machine string     `json:"machine"`
	Go      string     `json:"go"`
	Command string     `json:"command"`
	Load    string     `json:"load"`
	Rounds  int        `json:"rounds"`
	Took    string     `json:"took"`
	Peers   [][]string `json:"peers"` // name and command
}

// results are all outcomes of a run.
type results struct {
	about aboutRun
	by    map[string]map[string][]outcome // test, peer
}

func newResults(a aboutRun) *results {
	return &results{about: a, by: map[string]map[string][]outcome{}}
}

// add keeps an outcome, also in the raw file.
func (r *results) add(o outcome, raw io.Writer) error {
	if r.by[o.Test] == nil {
		r.by[o.Test] = map[string][]outcome{}
	}
	r.by[o.Test][o.Peer] = append(r.by[o.Test][o.Peer], o)
	return json.NewEncoder(raw).Encode(o)
}

func (r *results) writeHead(raw io.Writer) error {
	return json.NewEncoder(raw).Encode(map[string]aboutRun{"about": r.about})
}

// good are the results of a peer in a test.
func (r *results) good(test, peer string) []result {
	var g []result
	for _, o := range r.by[test][peer] {
		if o.Error == "" {
			g = append(g, o.Result)
		}
	}
	return g
}

// hopeless says that a peer has failed twice and never succeeded in a test.
func (r *results) hopeless(test, peer string) bool {
	return len(r.by[test][peer]) >= 2 && len(r.good(test, peer)) == 0
}

// median is the median of a figure of a peer in a test, and false if there is none.
func (r *results) median(test, peer string, c column) (float64, bool) {
	var v []float64
	for _, g := range r.good(test, peer) {
		v = append(v, c.of(g))
	}
	if len(v) == 0 {
		return 0, false
	}
	return median(v), true
}

// peers are the names of all peers that have outcomes in a test, in the order of the
// command line.
func (r *results) peers(test string) []string {
	var names []string
	for _, p := range r.about.Peers {
		if len(r.by[test][p[0]]) > 0 {
			names = append(names, p[0])
		}
	}
	return names
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// readResults reads a raw file.
func readResults(name string) (*results, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseResults(f)
}

func parseResults(f io.Reader) (*results, error) {
	r := newResults(aboutRun{})
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var line struct {
			About *aboutRun `json:"about"`
			outcome
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if line.About != nil {
			r.about = *line.About
		} else if err := r.add(line.outcome, io.Discard); err != nil {
			return nil, err
		}
	}
	return r, lines.Err()
}
