// Pool-http is a pool of ordinary web servers, on TCP ports: they register with a
// registrar, clients reach them by the name of the pool, and what dies is replaced by
// what lives. Neither the servers' handlers nor the client's requests know of it.
//
//	go run ./examples/pool-http                             # all in one process, on loopback
//	go run ./examples/pool-http serve 192.0.2.1:80 192.0.2.9:3863
//	go run ./examples/pool-http get http://WebPool/ 192.0.2.9:3863
//
// The last address is that of a registrar, such as `rserpool registrar`.
package main

import (
	"context"
	"errors"
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
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	switch {
	case len(args) == 0:
		return demo(ctx, out)
	case len(args) == 3 && args[0] == "serve":
		s, err := start(ctx, fmt.Sprint("server ", os.Getpid()), args[1], args[2:])
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "registered", s.member.ID())
		<-ctx.Done()
		return s.stop()
	case len(args) == 3 && args[0] == "get":
		return withClient(args[2:], func(client *http.Client) error {
			answer, err := get(ctx, client, args[1])
			fmt.Fprintln(out, answer)
			return err
		})
	}
	return errors.New("usage: pool-http [serve ADDRESS REGISTRAR | get URL REGISTRAR]")
}

// withClient calls f with a client for which the host in a URL is the name of a pool.
func withClient(registrars []string, f func(*http.Client) error) error {
	pu, err := pooluser.New(&pooluser.Config{Registrars: registrars, Profile: core.ProfileFast})
	if err != nil {
		return err
	}
	defer pu.Close()
	transport := &http.Transport{DialContext: pu.DialContext} // that is all
	defer transport.CloseIdleConnections()
	return f(&http.Client{Transport: transport, Timeout: 10 * time.Second})
}

func demo(ctx context.Context, out io.Writer) error {
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
		s, err := start(ctx, fmt.Sprint("server ", i+1), "127.0.0.1:0", registrars)
		if err != nil {
			return err
		}
		defer s.kill()
		servers[s.name] = s
	}
	return withClient(registrars, func(client *http.Client) error {
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
	})
}

// get asks for a URL. A server that dies may take a request with it, and nobody but the
// client knows whether that may be made again; net/http does so only where the server
// cannot have seen it.
func get(ctx context.Context, client *http.Client, url string) (answer string, err error) {
	for range 3 {
		if answer, err = try(ctx, client, url); err == nil || ctx.Err() != nil {
			break
		}
	}
	return answer, err
}

func try(ctx context.Context, client *http.Client, url string) (string, error) {
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
func start(ctx context.Context, name, address string, registrars []string) (*server, error) {
	l, err := net.Listen("tcp", address)
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

// stop takes the server out of the pool and lets its requests end.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.member.Shutdown(ctx)
	return errors.Join(err, s.http.Shutdown(ctx))
}

// kill ends the server without a word to anybody but by connections that break.
func (s *server) kill() {
	_ = s.http.Close()
	_ = s.member.Close()
}
