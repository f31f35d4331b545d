package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A panel is one small chart of the plot: a bar for each peer.
type panel struct {
	title, unit string
	test, mode  string
	key         string
	peers       []string
}

// panels are what the README shows.
var panels = []panel{
	{"Bulk, 64 KiB messages", "CPU seconds per GB, less is better", "bulk-64k", "bulk", "cpu", []string{"ours", "usrsctp", "pion", "quic", "rawudp", "rawudp-gso-work"}},
	{"Bulk, 64 KiB messages", "Gbit/s, more is better", "bulk-64k", "bulk", "rate", []string{"ours", "usrsctp", "pion", "quic", "rawudp", "rawudp-gso-work"}},
	{"64-byte messages", "CPU µs each, less is better", "small-64", "bulk", "cpumsg", []string{"ours", "usrsctp", "pion", "quic", "rawudp"}},
	{"Ping-pong of 64 bytes", "p50 µs, less is better", "pingpong", "pingpong", "p50", []string{"ours", "usrsctp", "pion", "quic", "rawudp"}},
	{"Associations, 16 at once", "set-ups with shutdown a second, more is better", "assoc-16", "assoc", "rate", []string{"ours", "usrsctp", "pion", "quic"}},
	{"1,000 associations at once, two sockets", "Gbit/s, more is better", "many-1000", "bulk", "rate", []string{"ours-2", "pion", "quic"}},
	{"Idle association", "bytes of memory at the client, less is better", "idle", "idle", "client_rss", []string{"ours", "usrsctp", "pion", "quic"}},
	{"A path of 20 ms that loses 5 %", "Mbit/s, more is better", "loss-20ms-5", "timed", "rate", []string{"ours", "usrsctp", "pion", "tcp-reno"}},
}

// labels are the names of peers in the plot, where they are not the names in tables.
var labels = map[string]string{
	"ours": "rserpool", "ours-2": "rserpool", "usrsctp": "usrsctp", "pion": "pion/sctp", "quic": "quic-go", "tcp-reno": "TCP (Reno)",
	"rawudp": "raw UDP", "rawudp-gso-work": "raw UDP, GSO + CRC",
}

// Measures of the plot in pixels.
const (
	plotWidth  = 960
	panelWidth = plotWidth / 2
	panelHead  = 56
	barStep    = 26
	barHeight  = 16
	labelWidth = 150
	valueWidth = 76
	margin     = 24
	plotHead   = 20
	plotFoot   = 34
)

// plotStyle follows the colour scheme of who looks at it.
const plotStyle = `
  .bg { fill: #ffffff; } .t { fill: #1f2328; } .s { fill: #59636e; }
  .ours { fill: #0969da; } .sctp { fill: #8c959f; } .raw { fill: #c8d0d8; }
  text { font-family: -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; font-size: 12px; }
  .h { font-size: 14px; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .bg { fill: #0d1117; } .t { fill: #e6edf3; } .s { fill: #9198a1; }
    .ours { fill: #4493f8; } .sctp { fill: #6e7681; } .raw { fill: #484f58; }
  }
`

// drawPlot draws the panels that have results, two in a row.
func drawPlot(got *results, panels []panel) string {
	var body strings.Builder
	y := plotHead
	for pair := range slices.Chunk(withResults(got, panels), 2) {
		height := 0
		for i, p := range pair {
			height = max(height, drawPanel(&body, got, p, margin/2+i*panelWidth, y))
		}
		y += height
	}
	foot := fmt.Sprintf("Medians of up to %d interleaved rounds, packets of 1500 bytes; ", got.about.Rounds) + got.about.Machine + "; " + got.about.Date
	text(&body, margin/2+8, y+14, "s", fit(foot, plotWidth-2*margin), "")
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n",
		plotWidth, y+plotFoot, plotWidth, y+plotFoot)
	fmt.Fprintf(&b, "<title>Speed beside other stacks</title>\n<style>%s</style>\n", plotStyle)
	fmt.Fprintf(&b, `<rect class="bg" width="%d" height="%d" rx="8"/>`+"\n", plotWidth, y+plotFoot)
	return b.String() + body.String() + "</svg>\n"
}

// withResults are the panels that have at least one bar.
func withResults(got *results, panels []panel) []panel {
	return slices.DeleteFunc(slices.Clone(panels), func(p panel) bool { return len(p.bars(got)) == 0 })
}

type bar struct {
	peer  string
	value float64
}

func (p panel) bars(got *results) []bar {
	c, _ := columnOf(p.mode, p.key)
	var bars []bar
	for _, name := range p.peers {
		if v, ok := got.median(p.test, name, c); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			bars = append(bars, bar{name, max(0, v)})
		}
	}
	return bars
}

// drawPanel draws a panel with its corner at x, y and returns its height.
func drawPanel(b *strings.Builder, got *results, p panel, x, y int) int {
	bars := p.bars(got)
	most := 0.0
	for _, r := range bars {
		most = max(most, r.value)
	}
	text(b, x+8, y+16, "t h", p.title, "")
	text(b, x+8, y+34, "s", p.unit, "")
	for i, r := range bars {
		top := y + panelHead - 8 + i*barStep
		class, name := "sctp", labels[r.peer]
		if name == "" {
			name = r.peer
		}
		switch {
		case strings.HasPrefix(r.peer, "ours"):
			class = "ours"
		case strings.HasPrefix(r.peer, "rawudp"):
			class = "raw"
		}
		width := 0.0
		if most > 0 {
			width = float64(panelWidth-margin-labelWidth-valueWidth) * r.value / most
		}
		weight := ""
		if class == "ours" {
			weight = ` font-weight="600"`
		}
		text(b, x+labelWidth, top+12, "t", fit(name, labelWidth-8), ` text-anchor="end"`+weight)
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", class, x+labelWidth+8, top, max(1, width), barHeight)
		text(b, x+labelWidth+14+int(width), top+12, "t", figure(r.value), weight)
	}
	return panelHead + len(bars)*barStep + 12
}

// text writes a line of text; attributes are markup, the rest is not.
func text(b *strings.Builder, x, y int, class, s, attributes string) {
	fmt.Fprintf(b, `<text class="%s" x="%d" y="%d"%s>%s</text>`+"\n", class, x, y, attributes, html.EscapeString(s))
}

// fit cuts a text that would be wider than so many pixels, at six a letter.
func fit(s string, width int) string {
	if r := []rune(s); len(r)*6 > width {
		return string(r[:width/6-1]) + "…"
	}
	return s
}
