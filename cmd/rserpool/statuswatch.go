package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// What a terminal is told: a screen of its own without cursor and line breaks, and back.
const (
	screenOn  = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	screenOff = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// show prints the state again and again until it is interrupted: on a terminal in place,
// otherwise one after the other. A registrar that does not answer may come back.
func (o *statusOptions) show(c *cobra.Command) error {
	if err := positive("--watch", o.watch); err != nil {
		return err
	}
	out := c.OutOrStdout()
	screen := isTerminal(out)
	if screen {
		fmt.Fprint(out, screenOn)
		defer fmt.Fprint(out, screenOff)
	}
	t := time.NewTicker(o.watch)
	defer t.Stop()
	for first := true; ; first = false {
		var b bytes.Buffer
		err := o.picture(c, &b, newPalette(out))
		var u usageError
		switch {
		case c.Context().Err() != nil:
			return nil
		case errors.As(err, &u), err != nil && first && !screen:
			return err
		case err != nil:
			fmt.Fprintf(&b, "%s  %s\n", time.Now().Format(time.TimeOnly), oneLine(err))
		}
		if screen {
			err = draw(out, b.String())
		} else {
			_, err = fmt.Fprintf(out, "%s\n", b.Bytes())
		}
		if err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-c.Context().Done():
			return nil
		}
	}
}

func (o *statusOptions) picture(c *cobra.Command, w io.Writer, p palette) error {
	b, err := fetchStatus(c, o.at)
	if err != nil {
		return err
	}
	s, err := o.parse(b)
	if err != nil {
		return err
	}
	return printStatus(w, s, p)
}

// draw writes a picture over the one before, as many lines as there is room for.
func draw(w io.Writer, text string) error {
	_, height := terminalSize(w)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > height {
		more := len(lines) - height + 1
		lines = append(lines[:height-1], fmt.Sprintf("… %s more; --find shows some of them", count(more, "line")))
	}
	_, err := io.WriteString(w, "\x1b[H"+strings.Join(lines, "\x1b[K\r\n")+"\x1b[K\x1b[J")
	return err
}

// terminalSize is the size of the terminal in characters, 80 by 24 if it is not known.
func terminalSize(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if cols, rows, err := term.GetSize(int(f.Fd())); err == nil && cols > 0 && rows > 1 {
			return cols, rows
		}
	}
	return 80, 24
}
