package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/rserpool"
)

// maxStatus bounds what is read of a registrar's state.
const maxStatus = 256 << 20

func statusCommand() *cobra.Command {
	var at string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the state of a registrar",
		Long: `Show the state of a registrar: its peers, and the pools with their elements.
The registrar is asked by HTTP, at the address of its flag --http.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := fetchStatus(c, at)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = c.OutOrStdout().Write(b)
				return err
			}
			var s registrar.Status
			if err := json.Unmarshal(b, &s); err != nil {
				return fmt.Errorf("http://%s/api/status: %w", at, err)
			}
			return printStatus(c.OutOrStdout(), &s)
		},
	}
	f := c.Flags()
	f.StringVar(&at, "http", defaultHTTP, "`address` of the status page")
	f.BoolVar(&asJSON, "json", false, "print JSON, as the registrar serves it")
	noFiles(c, "http")
	return c
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

// printStatus writes a registrar's state for people.
func printStatus(w io.Writer, s *registrar.Status) error {
	r := &s.Registrar
	state := "ready"
	switch {
	case r.Draining:
		state = "draining"
	case !r.Ready:
		state = "starting"
	}
	up := time.Duration(r.UptimeS * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(w, "registrar %s: %s, up %v, %s, %s its own\n", r.ID, state, up,
		count(r.Connections, "association"), count(r.Owned, "element"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range s.Peers {
		heard := "never heard"
		if p.LastHeardS >= 0 {
			heard = fmt.Sprintf("heard %.1f s ago", p.LastHeardS)
		}
		fmt.Fprintf(t, "  peer %s\t%s\t%s\t%s\n", p.ID, p.State, heard, count(p.Elements, "element"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range s.Pools {
		fmt.Fprintf(w, "%s: %s, %s\n", rserpool.PoolHandle(p.Pool), p.Policy, count(len(p.Elements), "element"))
		for _, e := range p.Elements {
			fmt.Fprintf(t, "  %s\thome %s\t%s\t%s\n", e.ID, e.Home, policyText(e.Policy), transportsText(e.Transports))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}
