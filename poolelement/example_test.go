package poolelement_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// startRegistrar runs a registrar on loopback, for the examples.
func startRegistrar() (address string, stop func()) {
	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	at, _ := r.Addrs()
	return at.String(), func() { cancel(); <-done }
}

// A pool element is a net.Listener.
func ExampleListen() {
	registrar, stop := startRegistrar()
	defer stop()

	pe, err := poolelement.Listen(context.Background(), "EchoPool", &poolelement.Config{
		Registrars: []string{registrar},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pe.Close()
	go func() {
		for {
			conn, err := pe.Accept()
			if err != nil {
				return // closed
			}
			go func() { defer conn.Close(); _, _ = io.Copy(conn, conn) }()
		}
	}()
	fmt.Println("registered:", pe.State().Registered)
	// Output: registered: true
}

// A Server runs a handler for each session, and leaves the pool in good order when its
// context ends.
func ExampleServer() {
	registrar, stop := startRegistrar()
	defer stop()

	ctx, cancel := context.WithCancel(context.Background())
	pe, err := poolelement.Listen(ctx, "CountPool", &poolelement.Config{
		Registrars: []string{registrar},
		Policy:     rserpool.Policy{Type: rserpool.LeastUsed},
	})
	if err != nil {
		log.Fatal(err)
	}
	count := func(ctx context.Context, s *poolelement.Session) {
		state, err := s.Cookie(ctx) // from the element that served this user before
		buf := make([]byte, 1500)
		for err == nil {
			if _, err = s.Receive(ctx, buf); err == nil {
				state = append(state, '|')
				err = s.SendCookie(ctx, state) // for the next one
			}
		}
	}
	srv := &poolelement.Server{Handler: poolelement.HandlerFunc(count), MaxSessions: 100}
	cancel() // as a signal would
	fmt.Println(srv.Serve(ctx, pe))
	// Output: <nil>
}

// net/http serves a pool unchanged.
func ExamplePoolElement_Accept() {
	registrar, stop := startRegistrar()
	defer stop()

	pe, err := poolelement.Listen(context.Background(), "WebPool", &poolelement.Config{Registrars: []string{registrar}})
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir("."))}
	go func() { _ = srv.Serve(pe) }() // until it is closed
	fmt.Println("serving", pe.Handle())
	_ = srv.Close() // closes pe
	// Output: serving WebPool
}

// A web server on a TCP port is a member of a pool; how busy it is decides how many
// users it gets.
func ExampleRegister() {
	registrar, stop := startRegistrar()
	defer stop()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var busy atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		defer busy.Add(-1)
		fmt.Fprintln(w, "hello")
	})}
	go func() { _ = srv.Serve(l) }() // until it is closed
	defer srv.Close()

	ctx := context.Background()
	m, err := poolelement.Register(ctx, "WebPool", l.Addr(), &poolelement.Config{
		Registrars: []string{registrar},
		Policy:     rserpool.Policy{Type: rserpool.LeastUsed},
		Load:       func() float64 { return float64(busy.Load()) / 100 },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Transport().Protocol, m.State().Registered)
	fmt.Println(m.Shutdown(ctx)) // users do not come any more
	// Output:
	// tcp true
	// <nil>
}

// Elements of one program share a UDP port and the association with their home
// registrar.
func ExampleNewEndpoint() {
	registrar, stop := startRegistrar()
	defer stop()

	ctx := context.Background()
	ep, err := poolelement.NewEndpoint(ctx, &poolelement.Config{Registrars: []string{registrar}})
	if err != nil {
		log.Fatal(err)
	}
	defer ep.Close()
	for _, pool := range []rserpool.PoolHandle{"EchoPool", "TimePool"} {
		pe, err := poolelement.Listen(ctx, pool, &poolelement.Config{Endpoint: ep})
		if err != nil {
			log.Fatal(err)
		}
		defer pe.Close()
		fmt.Println(pe.Handle(), pe.ASAPPort() == ep.ASAPPort())
	}
	// Output:
	// EchoPool true
	// TimePool true
}

// Users carry the state of their session to the next element, and cannot read or change
// it.
func ExampleConfig_cookies() {
	key, err := cookie.NewKey([]byte("the same at all elements, and secret"))
	if err != nil {
		log.Fatal(err)
	}
	sealer, err := cookie.NewSealer(&cookie.Config{Pool: "CounterPool", Keys: []cookie.Key{key}, Life: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	cfg := &poolelement.Config{Registrars: []string{"192.0.2.1:3863"}, Cookies: sealer}
	serve := func(ctx context.Context, s *poolelement.Session) {
		state, err := s.Cookie(ctx) // what an element has sealed, or nil
		if errors.Is(err, cookie.ErrInvalid) {
			return // a user who made it up, or came too late
		}
		_ = s.SendCookie(ctx, append(state, '|'))
	}
	_, _ = cfg, serve
}
