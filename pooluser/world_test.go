package pooluser_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const pool = rserpool.PoolHandle("EchoPool")

// Host 1 is the registrar, firstHost+n is element n, host userHost the pool user.
const (
	firstHost = 10
	userHost  = 90
)

// world is a registrar and a pool of echo servers on a simulated network.
type world struct {
	*asaplinktest.World
	t         *testing.T
	registrar *asaplinktest.Registrar
	servers   map[rserpool.PEID]*server
}

// newWorld starts elements 1 to n.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{World: asaplinktest.NewWorld(t), t: t, servers: make(map[rserpool.PEID]*server)}
	w.registrar = w.Registrar(1)
	for id := range n {
		w.serve(rserpool.PEID(id+1), rserpool.Policy{})
	}
	return w
}

// serve starts the element with an identifier.
func (w *world) serve(id rserpool.PEID, p rserpool.Policy) *server {
	w.t.Helper()
	pe, err := poolelement.Listen(w.t.Context(), pool, &poolelement.Config{
		Registrars: []string{w.registrar.Address()}, Stack: w.Stack(firstHost + int(id)),
		Profile: core.ProfileFast, PEID: id, Policy: p,
	})
	require.NoError(w.t, err)
	srv := &server{pe: pe}
	w.servers[id] = srv
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = (&poolelement.Server{Handler: srv, Grace: -1}).Serve(ctx, pe) // sessions may be cut off
	}()
	w.t.Cleanup(func() {
		cancel()
		_ = pe.Close()
		<-done
	})
	return srv
}

func (w *world) server(id rserpool.PEID) *server { return w.servers[id] }

// cut takes an element's host off the network.
func (w *world) cut(id rserpool.PEID) { w.Cut(firstHost + int(id)) }

// user starts a pool user with the fast profile.
func (w *world) user(cfg pooluser.Config) *pooluser.PoolUser {
	w.t.Helper()
	cfg.Registrars = []string{w.registrar.Address()}
	cfg.Stack = w.Stack(userHost)
	if cfg.Profile == (core.Profile{}) {
		cfg.Profile = core.ProfileFast
	}
	pu, err := pooluser.New(&cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, pu.Close()) })
	return pu
}

func (w *world) dial(pu *pooluser.PoolUser) *pooluser.Session {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	s, err := pu.Dial(ctx, pool)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// server echoes messages with a number, and sends a cookie with each: its
// identifier and the number. Some messages make it do other things.
type server struct {
	pe *poolelement.PoolElement

	mu       sync.Mutex
	messages []string
	echoes   []string
	cards    []string // pool and identifiers
}

func (srv *server) ServeSession(ctx context.Context, s *poolelement.Session) {
	buf := make([]byte, 64<<10)
	for n := 1; ; n++ {
		m, err := s.Receive(ctx, buf)
		if err != nil {
			return
		}
		text := string(m.Data)
		srv.mu.Lock()
		srv.messages = append(srv.messages, text)
		if n == 1 {
			if c, err := s.Cookie(ctx); err == nil && c != nil {
				srv.echoes = append(srv.echoes, string(c))
			}
		}
		if h, order, ok := s.BusinessCard(); ok && n == 1 {
			text := string(h)
			for _, e := range order {
				text += fmt.Sprint(" ", uint32(e.ID))
			}
			srv.cards = append(srv.cards, text)
		}
		srv.mu.Unlock()
		cookie := fmt.Sprintf("%v:%d", srv.pe.ID(), n)
		if c, ok := strings.CutPrefix(text, "cookie "); ok {
			cookie = c
		}
		if c, ok := strings.CutPrefix(text, "card "); ok {
			id, _ := strconv.Atoi(c)
			card := &asap.BusinessCard{Handle: pool, Elements: []rserpool.PoolElement{element(rserpool.PEID(id))}}
			_ = s.Association().Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: card.AppendTo(nil)})
		}
		if s.SendCookie(ctx, []byte(cookie)) != nil || s.Send(ctx, &sctp.Message{Data: []byte("echo " + text)}) != nil {
			return
		}
		if text == "bye" {
			return
		}
	}
}

func (srv *server) heard() []string {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return append([]string(nil), srv.messages...)
}

func (srv *server) cookies() []string {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return append([]string(nil), srv.echoes...)
}

func element(id rserpool.PEID) rserpool.PoolElement {
	return rserpool.PoolElement{
		ID: id, Life: 60, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		User: asaplinktest.Transport(firstHost+int(id), 7777),
	}
}

// ask sends a question and waits for its answer, with the next element if need be.
func ask(ctx context.Context, s *pooluser.Session, question string) error {
	return s.Exchange(ctx, func(ctx context.Context) error {
		if err := s.Send(ctx, &sctp.Message{Data: []byte(question)}); err != nil {
			return err
		}
		buf := make([]byte, 64<<10)
		for {
			m, err := s.Receive(ctx, buf)
			if err != nil || string(m.Data) == "echo "+question {
				return err
			} // else it answers something else
		}
	})
}
