package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func dumpCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "dump FILE.pcap[ng]",
		Short: "Print the chunks, ASAP and ENRP messages of a capture",
		Long: `Print one line for each SCTP chunk of a capture file, be it in UDP or straight in
IP, with the ASAP and ENRP messages inside of DATA chunks and of multicast
datagrams. A message in several chunks is shown with the one that completes it.
Malformed packets are named. "-" reads standard input.

With --json each line is an object. Fields that do not apply are left out:

  packet     number of the packet in the file, from 1
  time       time of day in UTC, to the microsecond
  from, to   addresses: IP[@UDPPORT]:PORT
  vtag       verification tag
  chunk      type of the chunk
  text       the chunk for people
  message    the ASAP or ENRP message, for people
  fragments  in how many DATA chunks it came, if not in one
  cut        true if the capture does not hold the whole chunk
  error      what is malformed`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"pcap", "pcapng"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			in, name := c.InOrStdin(), "standard input"
			if args[0] != "-" {
				name = args[0]
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			if err := dump(in, c.OutOrStdout(), asJSON); err != nil {
				return fmt.Errorf("dump %s: %w", name, err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// row is one line of output: a chunk, a datagram of multicast, or a problem.
type row struct {
	Packet    int    `json:"packet"`
	Time      string `json:"time"`
	From      string `json:"from"`
	To        string `json:"to"`
	Tag       string `json:"vtag,omitempty"`
	Chunk     string `json:"chunk,omitempty"`
	Text      string `json:"text,omitempty"`
	Message   string `json:"message,omitempty"` // ASAP or ENRP, decoded
	Fragments int    `json:"fragments,omitempty"`
	Cut       bool   `json:"cut,omitempty"`
	Error     string `json:"error,omitempty"`
}

// String is the row for people.
func (r *row) String() string {
	s := fmt.Sprintf("%s %s > %s", r.Time, r.From, r.To)
	if r.Tag != "" {
		s += " tag=" + r.Tag
	}
	for _, part := range []string{r.Text, r.Message} {
		if part != "" {
			s += "  " + part
		}
	}
	if r.Fragments > 0 {
		s += fmt.Sprintf("  (in %d chunks)", r.Fragments)
	}
	if r.Cut {
		s += "  (cut)"
	}
	if r.Error != "" {
		s += "  MALFORMED: " + r.Error
	}
	return s
}

func dump(in io.Reader, out io.Writer, asJSON bool) (err error) {
	w := bufio.NewWriter(out)
	defer func() {
		if e := w.Flush(); err == nil {
			err = e
		}
	}()
	enc := json.NewEncoder(w)
	emit := func(r *row) error {
		if asJSON {
			return enc.Encode(r)
		}
		_, err := fmt.Fprintln(w, r)
		return err
	}
	frames, err := openCapture(in)
	if err != nil {
		return err
	}
	d := newDissector()
	for {
		f, err := frames()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for r := range d.rows(f) {
			if err := emit(r); err != nil {
				return err
			}
		}
	}
}
