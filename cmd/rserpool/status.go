package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/registrar"
)

// maxStatus bounds what is read of a registrar's state.
const maxStatus = 256 << 20

// statusOptions are the flags of status.
type statusOptions struct {
	at     string
	asJSON bool
	find   string
	watch  time.Duration
}

func statusCommand() *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the state of a registrar",
		Long: `Show the state of a registrar: its peers, the pools with their elements, and
what has happened lately. The registrar is asked by HTTP, at the address of its
flag --http.`,
		Example: `  rserpool status
  rserpool status --watch
  rserpool status --find "LeastUsed 192.0.2.7" --http 127.0.0.1:9981`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("watch") {
				return o.show(c)
			}
			b, err := fetchStatus(c, o.at)
			if err != nil {
				return err
			}
			if o.asJSON {
				_, err = c.OutOrStdout().Write(b)
				return err
			}
			s, err := o.parse(b)
			if err != nil {
				return err
			}
			return printStatus(c.OutOrStdout(), s, newPalette(c.OutOrStdout()))
		},
	}
	f := c.Flags()
	f.StringVar(&o.at, "http", defaultHTTP, "`address` of the status page")
	f.BoolVar(&o.asJSON, "json", false, "print JSON, as the registrar serves it")
	f.StringVar(&o.find, "find", "", "show pools and elements that contain these `words` only")
	f.DurationVar(&o.watch, "watch", time.Second, "show it again and again, with this `pause`")
	f.Lookup("watch").NoOptDefVal = "1s"
	f.Lookup("watch").DefValue = "0" // without the flag: once; the help says nothing of it
	c.MarkFlagsMutuallyExclusive("json", "watch")
	c.MarkFlagsMutuallyExclusive("json", "find")
	noFiles(c, "http", "find", "watch")
	return c
}

// parse reads what a registrar serves and keeps what is to be shown.
func (o *statusOptions) parse(b []byte) (*registrar.Status, error) {
	var s registrar.Status
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("http://%s/api/status: %w", o.at, err)
	}
	s.Find(o.find)
	return &s, nil
}

func fetchStatus(c *cobra.Command, at string) ([]byte, error) {
	at = strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/")
	if at == "" || strings.ContainsAny(at, "/?# ") {
		return nil, usage("--http: %q is not HOST:PORT", at)
	}
	req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, "http://"+at+"/api/status", nil)
	if err != nil {
		return nil, usage("--http: %w", err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		var ue *url.Error // names method and address, which the user knows
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("no status of a registrar: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", req.URL, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxStatus))
}
