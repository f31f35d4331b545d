package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// resolveOptions are the flags of resolve.
type resolveOptions struct {
	client  clientOptions
	items   int
	json    bool
	timeout time.Duration
}

func resolveCommand() *cobra.Command {
	var o resolveOptions
	c := &cobra.Command{
		Use:   "resolve POOL",
		Short: "Ask a registrar for the elements of a pool",
		Long: `Ask a registrar for the elements of a pool (RFC 5352, handle resolution). They
come in the order in which the pool's policy selects them.`,
		Example: `  rserpool resolve EchoPool
  rserpool resolve EchoPool --items 3 --json | jq '.elements[].id'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	o.client.add(c, "off")
	f := c.Flags()
	f.IntVar(&o.items, "items", 0, "how many elements to ask for; 0: registrar's choice, -1: all")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long to look for a registrar")
	noFiles(c, "items", "timeout")
	return c
}

// poolJSON is a pool as resolve prints it.
type poolJSON struct {
	Pool     string        `json:"pool"`
	Policy   string        `json:"policy"`
	Elements []elementJSON `json:"elements"`
}

type elementJSON struct {
	ID         string                      `json:"id"`
	Home       string                      `json:"home"`
	Policy     registrar.PolicyStatus      `json:"policy"`
	Transports []registrar.TransportStatus `json:"transports"`
}

func (o *resolveOptions) run(c *cobra.Command, pool string) (err error) {
	handle, err := poolHandle(pool)
	if err != nil {
		return err
	}
	if err := cmp.Or(least("--items", o.items, -1), positive("--timeout", o.timeout)); err != nil {
		return err
	}
	pu, err := o.client.user(c, handle, func(cfg *pooluser.Config) { cfg.Items = o.items })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pu.Close()) }()
	ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
	defer cancel()
	p, err := pu.ResolvePool(ctx, handle)
	if err = pu.asked(err); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no registrar answered for %v: %w", o.timeout, err)
		}
		return err
	}
	j := poolToJSON(p)
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(j)
	}
	return printPool(c.OutOrStdout(), &j)
}

func poolToJSON(p *pooluser.Pool) poolJSON {
	j := poolJSON{Pool: string(p.Handle), Policy: p.Policy.Type.String(), Elements: []elementJSON{}}
	for _, e := range p.Elements {
		j.Elements = append(j.Elements, elementJSON{
			ID: e.ID.String(), Home: e.Home.String(),
			Policy: registrar.PolicyStatus{
				Type: e.Policy.Type.String(), Weight: e.Policy.Weight, Priority: e.Policy.Priority,
				Load: rserpool.Fraction(e.Policy.Load), Text: e.Policy.String(),
			},
			Transports: []registrar.TransportStatus{transportToJSON(e.User)},
		})
	}
	return j
}

func transportToJSON(t rserpool.Transport) registrar.TransportStatus {
	s := registrar.TransportStatus{Protocol: t.Protocol.String(), Addresses: t.Addrs, Port: t.Port, UDPPort: t.UDPPort}
	if s.Addresses == nil {
		s.Addresses = []netip.Addr{}
	}
	if t.Protocol == rserpool.ProtoSCTP && s.UDPPort == 0 {
		s.UDPPort = sctp.DefaultUDPPort
	}
	return s
}

// printPool writes a pool for people.
func printPool(w io.Writer, p *poolJSON) error {
	fmt.Fprintf(w, "%s: %s, %s\n", rserpool.PoolHandle(p.Pool), p.Policy, count(len(p.Elements), "element"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range p.Elements {
		fmt.Fprintf(t, "  %s\thome %s\t%s\t%s\n", e.ID, e.Home, e.Policy.Text, transportsText(e.Transports))
	}
	return t.Flush()
}

// count writes a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func transportsText(ts []registrar.TransportStatus) string {
	var s string
	for i, t := range ts {
		if i > 0 {
			s += ", "
		}
		s += t.Protocol + " " + (&sctp.Addr{IPs: t.Addresses, Port: t.Port, UDPPort: t.UDPPort}).String()
	}
	return s
}
