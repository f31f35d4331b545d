//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
	rcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// The tests named TestKill run registrars and elements as processes of their own, kill
// (SIGKILL) or stop (SIGSTOP) one of them under load, and measure what elements and users
// see of it. KILL_SIZE is the number of registrations (`make kill`: 10,000) and
// KILL_ROUNDS how often elements are killed; by default both are small.

func killSize(few int) int    { return fromEnv("KILL_SIZE", few) }
func killRounds(few int) int  { return fromEnv("KILL_ROUNDS", few) }
func killProfile() string     { return rcore.ProfileFast.Name }
func ms1(d time.Duration) any { return d.Round(100 * time.Microsecond) }

// patient is a bound as it is to be kept, or, in the small run among all other tests, where
// programs may be slow for reasons of their own, many times that.
func patient(d time.Duration) time.Duration {
	if small() {
		return 10 * d
	}
	return d
}

// small tells whether this is such a run, which is not about times.
func small() bool { return os.Getenv("KILL_SIZE") == "" }

func fromEnv(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return def
}

// scope is a set of registrar processes.
type scope struct {
	t     *testing.T
	ctx   context.Context
	procs *procs
	regs  []*proc
	asap  []rserpool.Transport
	names []string // the same as text
	http  []string
}

func startScope(t *testing.T, registrars int) *scope {
	return startProfile(t, registrars, killProfile())
}

// startProfile is startScope with the timers of a profile.
func startProfile(t *testing.T, registrars int, profile string) *scope {
	t.Helper()
	t.Setenv(runMain, "1")
	exe, err := os.Executable()
	require.NoError(t, err)
	if bin := os.Getenv("RSERPOOL"); bin != "" {
		exe = bin // the program itself, which is smaller than its tests
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &scope{t: t, ctx: ctx, procs: newProcs(exe, cancel)}
	t.Cleanup(func() {
		s.wakeAll()
		s.procs.killAll()
		cancel(nil)
	})
	udp, err := freePorts(registrars)
	require.NoError(t, err)
	for i, port := range udp {
		args := []string{"registrar", "--id", strconv.Itoa(i + 1), "--listen", fmt.Sprintf("127.0.0.1@%d", port),
			"--profile", profile, "--announce", "off", "--log", "error", "--exit-with-stdin", "--http", "127.0.0.1:" + tcpPort(t)}
		for j, other := range udp {
			if j != i {
				args = append(args, "--peer", fmt.Sprintf("127.0.0.1:%d@%d", rserpool.ENRPPort, other))
			}
		}
		p, err := s.procs.start(fmt.Sprint("registrar ", i+1), args...)
		require.NoError(t, err)
		s.regs = append(s.regs, p)
		s.http = append(s.http, args[slices.Index(args, "--http")+1])
		s.asap = append(s.asap, rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: rserpool.ASAPPort,
			UDPPort: uint16(port), Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
		s.names = append(s.names, fmt.Sprintf("127.0.0.1:%d@%d", rserpool.ASAPPort, port))
	}
	for _, p := range s.regs {
		_, err := p.await(ctx, "ready")
		require.NoError(t, err)
	}
	return s
}

// wakeAll lets processes go on that were stopped, or they would not be seen to end.
func (s *scope) wakeAll() {
	for _, p := range s.procs.list {
		_ = syscall.Kill(p.pid(), syscall.SIGCONT)
	}
}

// strike kills or stops a process of this scope, and returns when.
func (s *scope) strike(p *proc, sig syscall.Signal) time.Time {
	s.t.Helper()
	p.expect()
	at := time.Now()
	require.NoError(s.t, syscall.Kill(p.pid(), sig))
	return at
}

// status asks a registrar for its state.
func (s *scope) status(i int) (registrar.Status, error) {
	var st registrar.Status
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http[i]+"/api/status", nil)
	if err != nil {
		return st, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// table is a handlespace as a status page shows it: the home of each element.
func (s *scope) table(i int) map[string]string {
	s.t.Helper()
	st, err := s.status(i)
	require.NoError(s.t, err)
	m := make(map[string]string)
	for _, p := range st.Pools {
		for _, e := range p.Elements {
			m[p.Pool+"/"+e.ID] = e.Home
		}
	}
	return m
}

// agree waits until the registrars have the same n elements with homes among them, each
// an association with those it is the home of, and returns how long that took.
func (s *scope) agree(n int, among []int, limit time.Duration) time.Duration {
	s.t.Helper()
	start := time.Now()
	why := ""
	for time.Since(start) < limit {
		if why = s.differ(n, among); why == "" {
			return time.Since(start)
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Empty(s.t, why, "registrars do not agree")
	return 0
}

func (s *scope) differ(n int, among []int) string {
	homes := map[string]bool{}
	var tables []map[string]string
	for _, i := range among {
		homes[rserpool.RegistrarID(i+1).String()] = true
		tables = append(tables, s.table(i))
	}
	for j, m := range tables {
		if len(m) != n {
			return fmt.Sprintf("registrar %d has %d elements, not %d", among[j]+1, len(m), n)
		}
		for k, home := range m {
			if !homes[home] {
				return fmt.Sprintf("registrar %d has %s at home %s", among[j]+1, k, home)
			}
			if tables[0][k] != home {
				return fmt.Sprintf("registrars %d and %d have %s at %q and %s", among[0]+1, among[j]+1, k, tables[0][k], home)
			}
		}
	}
	return ""
}

// figures are durations, to be told by their quantiles.
type figures []time.Duration

func (f figures) at(q float64) time.Duration {
	if len(f) == 0 {
		return 0
	}
	slices.Sort(f)
	return f[min(int(q*float64(len(f))), len(f)-1)]
}

// row is a line of the table in docs/failover.md.
func (f figures) row(what string) string {
	return fmt.Sprintf("| %s | %d | %v | %v | %v |", what, len(f), ms1(f.at(0.5)), ms1(f.at(0.99)), ms1(f.at(1)))
}

// stack opens an SCTP stack on a free port of the loopback address.
func (s *scope) stack() *sctp.Stack {
	s.t.Helper()
	st, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = st.Close() })
	return st
}

func lines(rows ...string) string { return "\n" + strings.Join(rows, "\n") }
