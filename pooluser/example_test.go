package pooluser_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// startPool runs a registrar and two elements on loopback, for the examples: they
// answer messages with their identifier, and fail returns one of them out of service
// by force.
func startPool() (registrarAddress string, fail func(rserpool.PEID), stop func()) {
	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	at, _ := r.Addrs()
	elements := map[rserpool.PEID]*poolelement.PoolElement{}
	for id := rserpool.PEID(1); id <= 2; id++ {
		pe, err := poolelement.Listen(ctx, "AnswerPool", &poolelement.Config{
			Registrars: []string{at.String()}, PEID: id, Profile: core.ProfileFast,
		})
		if err != nil {
			log.Fatal(err)
		}
		elements[id] = pe
		srv := &poolelement.Server{Handler: poolelement.HandlerFunc(func(ctx context.Context, s *poolelement.Session) {
			buf := make([]byte, 100)
			for {
				m, err := s.Receive(ctx, buf)
				if err != nil {
					return
				}
				if s.SendCookie(ctx, []byte("served before")) != nil || s.Send(ctx, &m) != nil {
					return
				}
			}
		}), Grace: -1}
		go func() { _ = srv.Serve(ctx, pe) }() // it may fail
	}
	return at.String(), func(id rserpool.PEID) { _ = elements[id].Close() }, func() {
		for _, pe := range elements {
			_ = pe.Close()
		}
		cancel()
		<-done
	}
}

// A session survives its server.
func ExampleSession_OnFailover() {
	registrar, fail, stop := startPool()
	defer stop()

	ctx := context.Background()
	pu, err := pooluser.New(&pooluser.Config{Registrars: []string{registrar}, Profile: core.ProfileFast})
	if err != nil {
		log.Fatal(err)
	}
	defer pu.Close()
	s, err := pu.Dial(ctx, "AnswerPool")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.OnFailover(func(ctx context.Context, cookie []byte) error {
		fmt.Printf("another server, which knows: %s\n", cookie)
		return nil
	})
	hello := func(ctx context.Context) error {
		if err := s.Send(ctx, &sctp.Message{Data: []byte("hello")}); err != nil {
			return err
		}
		m, err := s.Receive(ctx, make([]byte, 100))
		if err == nil {
			fmt.Printf("%s\n", m.Data)
		}
		return err
	}
	if err := s.Exchange(ctx, hello); err != nil {
		log.Fatal(err)
	}
	fail(s.Element().ID)
	if err := s.Exchange(ctx, hello); err != nil { // again with the next server
		log.Fatal(err)
	}
	// Output:
	// hello
	// another server, which knows: served before
	// hello
}

// Clients that dial by name use pools as if they were hosts.
func ExamplePoolUser_DialContext() {
	registrar, _, stop := startPool()
	defer stop()

	pu, err := pooluser.New(&pooluser.Config{Registrars: []string{registrar}})
	if err != nil {
		log.Fatal(err)
	}
	defer pu.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: pu.DialContext}}
	_, err = client.Get("http://NoSuchPool/index.html")
	fmt.Println(err)
	// Output: Get "http://NoSuchPool/index.html": dial tcp: pooluser: dial NoSuchPool: asap: unknown pool handle
}
