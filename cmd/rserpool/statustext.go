package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/rserpool"
)

// recentEvents is how many events are printed.
const recentEvents = 6

// palette colors text, on a terminal.
type palette bool

func newPalette(w io.Writer) palette { return palette(isTerminal(w) && os.Getenv("NO_COLOR") == "") }

func (p palette) paint(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) bold(s string) string { return p.paint("1", s) }
func (p palette) dim(s string) string  { return p.paint("2", s) }
func (p palette) good(s string) string { return p.paint("32", s) }
func (p palette) bad(s string) string  { return p.paint("31", s) }
func (p palette) warn(s string) string { return p.paint("33", s) }

// columns is a table whose cells may have colors.
type columns struct{ rows [][]string }

func (t *columns) add(cells ...string) { t.rows = append(t.rows, cells) }

// width is how many columns a text without colors takes.
func width(s string) int {
	n := utf8.RuneCountInString(s)
	for rest := s; ; {
		i := strings.Index(rest, "\x1b[")
		if i < 0 {
			return n
		}
		rest = rest[i:]
		end := strings.IndexByte(rest, 'm')
		n -= end + 1
		rest = rest[end+1:]
	}
}

// write writes the table, indented, each column as wide as its widest cell.
func (t *columns) write(w io.Writer, indent string) {
	var widths []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(c))
		}
	}
	for _, r := range t.rows {
		line := indent
		for i, c := range r {
			line += c
			if i < len(r)-1 {
				line += strings.Repeat(" ", widths[i]-width(c)+2)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// printStatus writes a registrar's state for people.
func printStatus(w io.Writer, s *registrar.Status, p palette) error {
	var b bytes.Buffer
	printHead(&b, s, p)
	printPeers(&b, s, p)
	printEvents(&b, s, p)
	for i := range s.Pools {
		printPoolStatus(&b, s, &s.Pools[i], p)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func printHead(w io.Writer, s *registrar.Status, p palette) {
	r := &s.Registrar
	state := p.good("ready")
	switch {
	case r.Draining:
		state = p.warn("draining")
	case !r.Ready:
		state = p.warn("starting")
	}
	up := time.Duration(r.UptimeS * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(w, "registrar %s: %s, up %v, profile %s\n", p.bold(r.ID), state, up, r.Profile)
	for _, v := range []string{r.Scope, r.Description} {
		if v != "" {
			fmt.Fprintf(w, "  %s\n", rserpool.PoolHandle(v)) // printable
		}
	}
	elements := 0
	for i := range s.Pools {
		elements += len(s.Pools[i].Elements)
	}
	fmt.Fprintf(w, "  %s, %s, %d its own, %s, %s\n", count(len(s.Pools), "pool"), count(elements, "element"), r.Owned,
		count(len(s.Peers), "peer"), count(r.Connections, "association"))
	fmt.Fprintf(w, "  %.1f resolutions/s, %.1f registrations/s, %s in all\n", s.Rates.Resolutions, s.Rates.Registrations,
		count(int(r.Stats.TakeoversWon), "take-over"))
}

func printPeers(w io.Writer, s *registrar.Status, p palette) {
	t := &columns{}
	t.add(p.dim("REGISTRAR"), p.dim("STATE"), p.dim("HEARD"), p.dim("ELEMENTS"), p.dim("CHECKSUM"), p.dim("ADDRESS"))
	t.add(s.Registrar.ID, p.dim("this one"), "", fmt.Sprintf("%8d", s.Registrar.Owned), s.Registrar.Checksum, s.Registrar.ENRP)
	for i := range s.Peers {
		peer := &s.Peers[i]
		state, heard, sum, at := p.bad(peer.State), "never", peer.Checksum, ""
		switch peer.State {
		case "active":
			state = p.good(peer.State)
		case "unknown":
			state = p.dim(peer.State)
		}
		if peer.LastHeardS >= 0 {
			heard = fmt.Sprintf("%.1fs ago", peer.LastHeardS)
		}
		switch {
		case peer.InSync:
			sum += " in sync"
		case peer.Announced != "":
			sum += p.bad(" announces " + peer.Announced)
		}
		if peer.Transport != nil {
			at = strings.TrimPrefix(peer.Transport.String(), "sctp ")
		}
		if !peer.Connected {
			at += p.dim(" not connected")
		}
		t.add(peer.ID, state, heard, fmt.Sprintf("%8d", peer.Elements), sum, at)
	}
	fmt.Fprintln(w)
	t.write(w, "")
}

func printPoolStatus(w io.Writer, s *registrar.Status, pool *registrar.PoolStatus, p palette) {
	fmt.Fprintf(w, "\n%s: %s, %s\n", p.bold(pool.Name), pool.Policy, count(len(pool.Elements), "element"))
	t := &columns{}
	for i := range pool.Elements {
		e := &pool.Elements[i]
		load := ""
		if e.HasLoad() {
			load = fmt.Sprintf("%3.0f %% %s", 100*e.Policy.Load, bar(e.Policy.Load))
		}
		state := p.dim("elsewhere")
		switch {
		case e.Connected:
			state = p.good("connected")
		case e.Home == s.Registrar.ID:
			state = p.warn("not connected")
		}
		if e.Reports > 0 {
			state += p.bad(" " + count(e.Reports, "report"))
		}
		t.add(e.ID, strings.TrimSpace(load+" "+e.Constants()), "home "+e.Home, e.Address(), state,
			p.dim(fmt.Sprintf("updated %.1fs ago", e.UpdatedS)))
	}
	t.write(w, "  ")
}

// bar shows a load in eight cells.
func bar(v float64) string {
	n := int(v*8 + 0.5)
	return strings.Repeat("█", n) + strings.Repeat("░", 8-n)
}

func printEvents(w io.Writer, s *registrar.Status, p palette) {
	if len(s.Events) == 0 {
		return
	}
	fmt.Fprintln(w)
	for _, e := range s.Events[:min(len(s.Events), recentEvents)] {
		text := e.Text
		if e.Grave {
			text = p.bad(text)
		}
		fmt.Fprintf(w, "%s  %s\n", p.dim(e.At.Local().Format(time.TimeOnly)), text)
	}
}
