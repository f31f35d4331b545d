package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/rserpool/csp"
)

// cspOptions are the flags about component status reports.
type cspOptions struct {
	server   string
	interval time.Duration
}

func (o *cspOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.server, "csp-server", "", "report to rsplib's cspmonitor at this `address`, HOST[:PORT] (default port 2960)")
	f.DurationVar(&o.interval, "csp-interval", csp.DefaultInterval, "time between these reports")
	noFiles(c, "csp-server", "csp-interval")
}

// check looks for mistakes.
func (o *cspOptions) check() error {
	if o.interval <= 0 {
		return usage("--csp-interval: %v is no time", o.interval)
	}
	if _, port, err := net.SplitHostPort(o.server); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return usage("--csp-server: %q is not a port", port)
		}
	}
	return nil
}

// start begins to report, if that is wanted, until stop is called.
func (o *cspOptions) start(report func() csp.Report) (stop func(), err error) {
	if o.server == "" {
		return func() {}, nil
	}
	r, err := csp.Start(&csp.Config{Server: o.server, Interval: o.interval, Report: report})
	if err != nil {
		return nil, fmt.Errorf("--csp-server: %w", err)
	}
	return func() { _ = r.Close() }, nil // there is nobody to tell
}

// protoSCTP is the protocol of all associations here.
const protoSCTP = 132

// since remembers since when other ends are known.
type since map[csp.ID]time.Time

// association returns one with the time that its other end has been known.
func (s since) association(to csp.ID, ppid uint32) csp.Association {
	now := time.Now()
	if _, ok := s[to]; !ok {
		s[to] = now
	}
	return csp.Association{Receiver: to, Duration: now.Sub(s[to]), Protocol: protoSCTP, PPID: ppid}
}

// keep forgets all others.
func (s since) keep(as []csp.Association) {
	left := make(map[csp.ID]bool, len(as))
	for _, a := range as {
		left[a.Receiver] = true
	}
	for id := range s {
		if !left[id] {
			delete(s, id)
		}
	}
}

// registrarReport reports a registrar, with the text that rsplib's registrar has.
func registrarReport(r *registrar.Registrar) func() csp.Report {
	at, _ := r.Addrs()
	known := since{}
	return func() csp.Report {
		s := r.Summary()
		rep := csp.Report{
			Sender: csp.NewID(csp.Registrar, uint64(s.ID)), Location: at.String(), Workload: csp.NoWorkload,
			Status: fmt.Sprintf("%d[%d] PEs in %d Pools, %d Peers", s.Elements, s.Owned, s.Pools, len(s.Peers)),
		}
		for _, p := range s.Peers {
			if p.Connected {
				rep.Associations = append(rep.Associations, known.association(csp.NewID(csp.Registrar, uint64(p.ID)), rserpool.ENRPPPID))
			}
		}
		known.keep(rep.Associations)
		return rep
	}
}

// elementReport reports a pool element.
func elementReport(pe *poolelement.PoolElement) func() csp.Report {
	known := since{}
	return func() csp.Report {
		i := pe.Info()
		rep := csp.Report{
			Sender: csp.NewID(csp.PoolElement, uint64(i.ID)), Location: pe.Addr().String(), Workload: csp.NoWorkload,
			Status: fmt.Sprintf("%s: %s", i.Handle, count(i.Sessions, "session")),
		}
		if i.Policy.Type.Adaptive() {
			rep.Workload = rserpool.Fraction(i.Policy.Load)
		}
		if !i.State.Registered {
			rep.Status += ", not registered"
		}
		if len(i.State.Registrar.Addrs) > 0 {
			rep.Associations = append(rep.Associations, known.association(csp.NewID(csp.Registrar, uint64(i.State.Home)), rserpool.ASAPPPID))
		}
		known.keep(rep.Associations)
		return rep
	}
}

// userReport reports a pool user with one session. Users have no identifier but a number of
// their own.
func userReport(s *pooluser.Session) func() csp.Report {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	host, _ := os.Hostname()
	location := strings.TrimPrefix(fmt.Sprintf("%s, process %d", host, os.Getpid()), ", ")
	known := since{}
	return func() csp.Report {
		rep := csp.Report{
			Sender: csp.NewID(csp.PoolUser, binary.BigEndian.Uint64(id[:])), Location: location, Workload: csp.NoWorkload,
			Status: fmt.Sprintf("%s: %s", s.Handle(), count(s.Failovers(), "fail-over")),
		}
		rep.Associations = append(rep.Associations, known.association(csp.NewID(csp.PoolElement, uint64(s.Element().ID)), 0))
		known.keep(rep.Associations)
		return rep
	}
}
