package poolelement_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/rserpool/rserpool/poolelement"
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
