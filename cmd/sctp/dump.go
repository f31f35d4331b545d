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
IP, with the ASAP and ENRP messages inside of unfragmented DATA and of multicast
datagrams. Malformed packets are named. "-" reads standard input.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in := c.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			return dump(in, c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// row is one line of output: a chunk, a datagram of multicast, or a problem.
type row struct {
	Time    string `json:"time"`
	From    string `json:"from"`
	To      string `json:"to"`
	Tag     string `json:"vtag,omitempty"`
	Chunk   string `json:"chunk,omitempty"`
	Text    string `json:"text,omitempty"`
	Message string `json:"message,omitempty"` // ASAP or ENRP, decoded
	Error   string `json:"error,omitempty"`
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
	if r.Error != "" {
		s += "  MALFORMED: " + r.Error
	}
	return s
}

func dump(in io.Reader, out io.Writer, asJSON bool) error {
	w := bufio.NewWriter(out)
	defer w.Flush()
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
	for {
		f, err := frames()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dump: %w", err)
		}
		for r := range decodeFrame(f) {
			if err := emit(r); err != nil {
				return err
			}
		}
	}
}
