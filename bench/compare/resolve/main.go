// Command resolve measures how many handle resolutions and registrations a registrar
// answers over SCTP, and what each costs, beside an etcd that answers the same look-ups
// over gRPC. Server and load are processes of their own, on the loopback address; the peers
// take turns.
//
//	resolve                 # three rounds of two seconds each; prints a section of markdown
//	resolve -rounds 5 -time 3s -o ../../RESOLUTIONS.md
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// Sizes of what is looked up: the same for all peers.
const (
	pools      = 1000
	perPool    = 10
	askedItems = 3
)

// peers are what takes turns.
var peers = []string{"registrar", "etcd", "etcd-serializable"}

// loads are what is measured: connections, and requests under way on each.
var loads = []load{
	{Name: "one user, one question at a time", What: "resolve", Conns: 1, Window: 1},
	{Name: "16 users, one question at a time each", What: "resolve", Conns: 16, Window: 1},
	{Name: "16 users, 32 questions at a time each", What: "resolve", Conns: 16, Window: 32},
	{Name: "16 programs register elements again, 32 at a time each", What: "register", Conns: 16, Window: 32},
}

// load is one line of the plan.
type load struct {
	Name   string
	What   string // resolve or register
	Conns  int
	Window int
	Time   time.Duration
	Addr   string
}

// result is what the process with the load reports.
type result struct {
	Count    int
	Secs     float64
	P50, P99 float64 // microseconds
	CPU      float64 // seconds, of that process
	Server   float64 // seconds, of the other one
}

func main() {
	rounds := flag.Int("rounds", 3, "how often each peer has its turn")
	span := flag.Duration("time", 2*time.Second, "how long a turn takes")
	out := flag.String("o", "", "file for the result, instead of standard output")
	only := flag.String("only", "", "peers, separated by commas")
	profile := flag.String("profile", "", "folder for CPU profiles of servers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Args(), *rounds, *span, *out, *only, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "resolve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, rounds int, span time.Duration, out, only, profile string) error {
	if len(args) == 2 { // a process that this program has started
		return role(ctx, args[0], args[1], profile)
	}
	list := peers
	if only != "" {
		list = strings.Split(only, ",")
	}
	t, err := measure(ctx, list, rounds, span, profile)
	if err != nil {
		return err
	}
	w := io.Writer(os.Stdout)
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			return err
		}
		defer f.Close()
		w = f
	}
	return t.write(w, rounds, span)
}

// role runs one of the processes: a server, or load for a server.
func role(ctx context.Context, what, peer, profile string) error {
	switch {
	case what == "serve" && peer == "registrar":
		return serveRegistrar(ctx, profile)
	case what == "serve":
		return serveEtcd(ctx, profile)
	case what != "load":
		return fmt.Errorf("unknown role %q", what)
	}
	var l load
	if err := json.NewDecoder(os.Stdin).Decode(&l); err != nil {
		return err
	}
	ask := askRegistrar
	if peer != "registrar" {
		ask = askEtcd(peer == "etcd-serializable")
	}
	r, err := ask(ctx, &l)
	if err != nil {
		return err
	}
	if r.CPU, err = cpuOf(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// server is a started server.
type server struct {
	cmd  *exec.Cmd
	in   io.Closer
	addr string
}

func start(ctx context.Context, peer, profile string) (*server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", peer}
	if profile != "" {
		args = append([]string{"-profile", profile}, args...)
	}
	s := &server{cmd: exec.CommandContext(ctx, exe, args...)}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(out, &s.addr); err != nil {
		_ = s.stop()
		return nil, fmt.Errorf("%s does not start: %w", peer, err)
	}
	return s, nil
}

func (s *server) stop() error {
	_ = s.in.Close()
	return s.cmd.Wait()
}

// under runs one load against a server.
func (s *server) under(ctx context.Context, peer string, l load) (result, error) {
	var r result
	exe, err := os.Executable()
	if err != nil {
		return r, err
	}
	l.Addr = s.addr
	plan, err := json.Marshal(l)
	if err != nil {
		return r, err
	}
	before, err := cpuOf(s.cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, exe, "load", peer)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(plan)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("load for %s: %w", peer, err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, err
	}
	after, err := cpuOf(s.cmd.Process.Pid)
	r.Server = after - before
	return r, err
}
