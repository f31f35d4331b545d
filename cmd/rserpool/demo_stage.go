package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// stage shows the demo: a timeline, and below it, on a terminal, a bar.
type stage struct {
	w       io.Writer
	started time.Time
	bars    bool

	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil: none now
	tenth int64                    // of the download that was last shown as a line
}

func newStage(w io.Writer) *stage {
	return &stage{w: w, started: time.Now(), bars: isTerminal(w)}
}

// say writes a line of the timeline.
func (s *stage) say(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print(format, a...)
}

// print is say for those who hold s.mu.
func (s *stage) print(format string, a ...any) {
	if s.bar != nil {
		_ = s.bar.Clear() // an error of it is one of the terminal
	}
	fmt.Fprintf(s.w, "%6.2f s  %s\n", time.Since(s.started).Seconds(), fmt.Sprintf(format, a...))
	if s.bar != nil {
		_ = s.bar.RenderBlank()
	}
}

// progress shows how far the download is.
func (s *stage) progress(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.bars:
		if t := e.Bytes * 10 / e.Size; t > s.tenth {
			s.tenth = t
			s.print("%3d %% from server %s", 10*t, e.Element)
		}
	case e.Event == "done":
		s.drop()
	default:
		if s.bar == nil {
			s.bar = newBar(s.w, e.Size, "")
		}
		s.bar.Describe(e.Element)
		_ = s.bar.Set64(e.Bytes)
	}
}

// clear takes the bar away.
func (s *stage) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

// drop is clear for those who hold s.mu.
func (s *stage) drop() {
	if s.bar != nil {
		_ = s.bar.Clear()
		s.bar = nil
	}
}
