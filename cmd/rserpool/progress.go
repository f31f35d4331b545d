package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/rserpool/rserpool/internal/service"
)

// event is a step of a download, as --progress json prints it.
type event struct {
	Event   string  `json:"event"` // begin, progress, failover or done
	Element string  `json:"element"`
	Bytes   int64   `json:"bytes"`
	Size    int64   `json:"size"`
	PauseMS float64 `json:"pause_ms,omitempty"` // before the first byte of the new element

	SHA256       string  `json:"sha256,omitempty"`
	File         string  `json:"file,omitempty"`
	Failovers    int     `json:"failovers,omitempty"`
	WorstPauseMS float64 `json:"worst_pause_ms,omitempty"`
	Seconds      float64 `json:"seconds,omitempty"`
}

func hexSum(i service.FileInfo) string { return hex.EncodeToString(i.SHA256[:]) }

// progress shows how a download goes on.
type progress interface {
	begin(event)
	advance(event)
	failover(event)
	done(event)
	end() // the download failed
}

// newProgress returns the way of showing progress that a flag names.
func newProgress(how, name string, out, errOut io.Writer) (progress, error) {
	if how == "auto" {
		how = "lines"
		if isTerminal(errOut) {
			how = "bar"
		}
	}
	switch how {
	case "bar":
		return &barProgress{name: name, w: errOut}, nil
	case "lines":
		return &lineProgress{name: name, w: errOut}, nil
	case "json":
		return &jsonProgress{enc: json.NewEncoder(out)}, nil
	case "none":
		return noProgress{}, nil
	}
	return nil, usage("--progress: unknown way %q (auto, bar, lines, json or none)", how)
}

// isTerminal says whether w is a terminal that can move its cursor.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	fi, err := f.Stat()
	if err != nil || fi.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(fi, null)
}

// barWidth is that of the bar itself. With the numbers beside it a line stays below 80
// columns.
const barWidth = 24

// newBar returns a bar on a terminal.
func newBar(w io.Writer, size int64, description string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(description),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionThrottle(65*time.Millisecond),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionUseANSICodes(true),
	)
}

// barProgress is a bar that says which element serves, with fail-overs above it.
type barProgress struct {
	name string
	w    io.Writer
	bar  *progressbar.ProgressBar // nil: nothing to show
}

func (p *barProgress) describe(e event) string { return shorten(p.name, 16) + " " + e.Element }

// shorten cuts a name in the middle.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2]) + "…" + string(r[len(r)-(n-n/2-1):])
}

// The errors of the bar are those of writing to the terminal.

func (p *barProgress) begin(e event) {
	if e.Size == 0 {
		return
	}
	p.bar = newBar(p.w, e.Size, p.describe(e))
	_ = p.bar.Set64(e.Bytes)
}

func (p *barProgress) advance(e event) {
	if p.bar != nil {
		_ = p.bar.Set64(e.Bytes)
	}
}

func (p *barProgress) failover(e event) {
	if p.bar == nil {
		return
	}
	_ = p.bar.Clear()
	fmt.Fprintln(p.w, failoverText(e))
	p.bar.Describe(p.describe(e))
}

func failoverText(e event) string {
	return fmt.Sprintf("fail-over to element %s after %.0f ms, at %s", e.Element, e.PauseMS, human(e.Bytes))
}

func (p *barProgress) done(e event) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.w, doneText(p.name, e))
}

func (p *barProgress) end() {
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.w)
	}
}

func doneText(name string, e event) string {
	s := fmt.Sprintf("%s: %s in %.1f s, sha256 %s", name, human(e.Bytes), e.Seconds, e.SHA256)
	switch e.Failovers {
	case 0:
		return s
	case 1:
		return fmt.Sprintf("%s, 1 fail-over (%.0f ms)", s, e.WorstPauseMS)
	}
	return fmt.Sprintf("%s, %d fail-overs (worst pause %.0f ms)", s, e.Failovers, e.WorstPauseMS)
}

// lineProgress writes a line now and then, for logs.
type lineProgress struct {
	name string
	w    io.Writer
	next time.Time
}

// lineInterval is the pause between two lines.
const lineInterval = 5 * time.Second

func (p *lineProgress) begin(event) { p.next = time.Now().Add(lineInterval) }

func (p *lineProgress) advance(e event) {
	if time.Now().Before(p.next) || e.Size == 0 {
		return
	}
	p.next = time.Now().Add(lineInterval)
	fmt.Fprintf(p.w, "%s: %d %%, %s of %s from element %s\n", p.name, e.Bytes*100/e.Size, human(e.Bytes), human(e.Size), e.Element)
}

func (p *lineProgress) failover(e event) { fmt.Fprintf(p.w, "%s: %s\n", p.name, failoverText(e)) }
func (p *lineProgress) done(e event)     { fmt.Fprintln(p.w, doneText(p.name, e)) }
func (p *lineProgress) end()             {}

// jsonProgress writes one JSON object a line.
type jsonProgress struct {
	enc  *json.Encoder
	next time.Time
}

// jsonInterval is the shortest time between two events of progress.
const jsonInterval = 10 * time.Millisecond

func (p *jsonProgress) print(name string, e event) {
	e.Event = name
	_ = p.enc.Encode(e) // who reads it may be gone
}

func (p *jsonProgress) begin(e event) { p.print("begin", e) }

func (p *jsonProgress) advance(e event) {
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(jsonInterval)
		p.print("progress", e)
	}
}

func (p *jsonProgress) failover(e event) { p.print("failover", e) }
func (p *jsonProgress) done(e event)     { p.print("done", e) }
func (p *jsonProgress) end()             {}

// noProgress shows nothing.
type noProgress struct{}

func (noProgress) begin(event)    {}
func (noProgress) advance(event)  {}
func (noProgress) failover(event) {}
func (noProgress) done(event)     {}
func (noProgress) end()           {}
