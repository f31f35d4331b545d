// Pool-http is a pool of ordinary web servers, on TCP ports: they register with a
// registrar, clients reach them by the name of the pool, and what dies is replaced by
// what lives. Neither the servers' handlers nor the client's requests know of it.
//
//	go run ./examples/pool-http
//
// A registrar, three servers and a client run in one process here, on loopback, as
// separate processes on several hosts would.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reg, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	if err != nil {
		return err
	}
	go func() { _ = reg.Run(ctx) }()
	at, _ := reg.Addrs()
	registrars := []string{at.String()}

	servers := map[string]*server{}
	for i := range 3 {
		s, err := start(ctx, fmt.Sprint("server ", i+1), registrars)
		if err != nil {
			return err
		}
		defer s.kill()
		servers[s.name] = s
	}

	pu, err := pooluser.New(&pooluser.Config{Registrars: registrars, Profile: core.ProfileFast})
	if err != nil {
		return err
	}
	defer pu.Close()
	// That is all a client needs: the host in a URL is the name of the pool.
	transport := &http.Transport{DialContext: pu.DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}

	for n := 1; n <= 9; n++ {
		who, err := get(ctx, client, "http://WebPool/")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "request %d: %s\n", n, who)
		if n == 3 || n == 6 {
			servers[who].kill()
			fmt.Fprintf(out, "%s is dead\n", who)
		}
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// server is a web server that is member of the pool.
type server struct {
	name   string
	http   *http.Server
	member *poolelement.Member
}

// start serves, and enters the server into the pool.
func start(ctx context.Context, name string, registrars []string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var busy atomic.Int32
	s := &server{name: name, http: &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			busy.Add(1)
			defer busy.Add(-1)
			fmt.Fprint(w, name)
		}),
	}}
	go func() { _ = s.http.Serve(l) }() // until it is closed
	s.member, err = poolelement.Register(ctx, "WebPool", l.Addr(), &poolelement.Config{
		Registrars: registrars, Profile: core.ProfileFast,
		Policy: rserpool.Policy{Type: rserpool.LeastUsed},
		Load:   func() float64 { return float64(busy.Load()) / 100 },
	})
	if err != nil {
		_ = s.http.Close()
		return nil, err
	}
	return s, nil
}

// kill ends the server without a word to anybody but by connections that break.
func (s *server) kill() {
	_ = s.http.Close()
	_ = s.member.Close()
}
