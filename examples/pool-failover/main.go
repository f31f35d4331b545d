// Pool-failover counts with a pool of servers that die one after the other: each
// server's cookie lets the next one go on counting.
//
//	go run ./examples/pool-failover
//
// Two registrars, three servers and a client run in one process here, on loopback, each
// with a UDP port of its own, as separate processes would.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const pool rserpool.PoolHandle = "CounterPool"

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
	registrars, err := startRegistrars(ctx, 2)
	if err != nil {
		return err
	}
	sealer, err := newSealer()
	if err != nil {
		return err
	}
	servers := map[rserpool.PEID]*poolelement.PoolElement{}
	for range 3 {
		pe, err := poolelement.Listen(ctx, pool, &poolelement.Config{
			Registrars: registrars, Profile: core.ProfileFast, Cookies: sealer,
		})
		if err != nil {
			return err
		}
		defer pe.Close()
		servers[pe.ID()] = pe
		srv := &poolelement.Server{Handler: poolelement.HandlerFunc(count), Grace: -1}
		go func() { _ = srv.Serve(ctx, pe) }() // until it dies
	}

	pu, err := pooluser.New(&pooluser.Config{Registrars: registrars, Profile: core.ProfileFast})
	if err != nil {
		return err
	}
	defer pu.Close()
	s, err := pu.Dial(ctx, pool)
	if err != nil {
		return err
	}
	defer s.Close()
	s.OnFailover(func(_ context.Context, cookie []byte) error {
		fmt.Fprintf(out, "server failed; the next one gets a cookie of %d bytes, which only it can read\n", len(cookie))
		return nil // the next question goes to it
	})
	for n := 1; n <= 9; n++ {
		answer, err := ask(ctx, s)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s\n", s.Element().ID, answer)
		if n%3 == 0 && n < 9 {
			_ = servers[s.Element().ID].Close() // nobody is told but by the abort
		}
	}
	return nil
}

// ask gets the next number. A question that a dying server has taken with it is asked
// again.
func ask(ctx context.Context, s *pooluser.Session) (answer string, err error) {
	err = s.Exchange(ctx, func(ctx context.Context) error {
		if err := s.Send(ctx, &sctp.Message{Data: []byte("next")}); err != nil {
			return err
		}
		m, err := s.Receive(ctx, make([]byte, 64))
		answer = string(m.Data)
		return err
	})
	return answer, err
}

// newSealer makes what seals the state that clients carry from server to server. Here
// all servers are in one process; others read the same secret from a file.
func newSealer() (*cookie.Sealer, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	key, err := cookie.NewKey(secret)
	if err != nil {
		return nil, err
	}
	return cookie.NewSealer(&cookie.Config{Pool: pool, Keys: []cookie.Key{key}, Life: time.Minute})
}

// count answers each question with the next number. It begins where the user's cookie
// says, and keeps nothing else.
func count(ctx context.Context, s *poolelement.Session) {
	state, err := s.Cookie(ctx)
	if err != nil {
		return // the client has gone, or it has made the cookie up
	}
	n, _ := strconv.Atoi(string(state)) // 0 without one
	buf := make([]byte, 64)
	for {
		if _, err := s.Receive(ctx, buf); err != nil {
			return
		}
		n++
		if s.SendCookie(ctx, strconv.AppendInt(nil, int64(n), 10)) != nil ||
			s.Send(ctx, &sctp.Message{Data: strconv.AppendInt(nil, int64(n), 10)}) != nil {
			return
		}
	}
}

// startRegistrars runs n registrars that know each other.
func startRegistrars(ctx context.Context, n int) (addresses []string, err error) {
	stacks := make([]*sctp.Stack, n)
	peers := make([]string, n)
	listen, err := sctp.ParseListenAddr("127.0.0.1@0")
	if err != nil {
		return nil, err
	}
	for i := range stacks {
		if stacks[i], err = sctp.NewStack(&sctp.StackConfig{ListenAddrs: listen.IPs}); err != nil {
			return nil, err
		}
		peers[i] = fmt.Sprintf("127.0.0.1:9901@%d", stacks[i].UDPPort())
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:3863@%d", stacks[i].UDPPort()))
	}
	for _, s := range stacks {
		r, err := registrar.New(&registrar.Config{Stack: s, Peers: peers, Profile: registrarcore.ProfileFast})
		if err != nil {
			return nil, err
		}
		go func() { _ = r.Run(ctx) }()
	}
	return addresses, nil
}
