package pooluser_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync/atomic"
	"time"

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

// With TLS each element proves who it is before it gets a byte: the session tells when
// it has moved, and TLS begins anew.
func ExampleSession_ElementConn() {
	cfg := &tls.Config{ServerName: "bank.example"}
	handshake := func(ctx context.Context, s *pooluser.Session) (*tls.Conn, error) {
		nc, err := s.ElementConn(ctx)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(nc, cfg)
		return secure, secure.HandshakeContext(ctx)
	}
	// dial returns a function that asks a question and waits for the answer, with another
	// element if need be.
	dial := func(ctx context.Context, pu *pooluser.PoolUser) (func(question, answer []byte) error, error) {
		s, err := pu.Dial(ctx, "BankPool")
		if err != nil {
			return nil, err
		}
		var current atomic.Pointer[tls.Conn]
		begin := func(ctx context.Context, _ []byte) error {
			secure, err := handshake(ctx, s)
			current.Store(secure)
			return err
		}
		s.OnFailover(begin)
		if err := begin(ctx, nil); err != nil {
			return nil, err
		}
		return func(question, answer []byte) error {
			return s.Exchange(ctx, func(context.Context) error {
				secure := current.Load()
				if _, err := secure.Write(question); err != nil {
					return err
				}
				_, err := io.ReadFull(secure, answer)
				return err
			})
		}, nil
	}
	_ = dial
}

// An element of a TCP pool that breaks its connections comes last from then on; others
// are dialed beside one that does not answer at once.
func ExampleConfig_race() {
	pu, err := pooluser.New(&pooluser.Config{
		Registrars: []string{"192.0.2.1:3863", "192.0.2.2:3863"},
		Race:       3, RaceDelay: 250 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pu.Close()
	http.DefaultTransport.(*http.Transport).DialContext = pu.DialContext
}
