//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const (
	killPool = "kill"
	// killElements serve at a time.
	killElements = 4
	// talkEvery is the pause of a user between two requests.
	talkEvery = 10 * time.Millisecond
)

// talkers are users that are in the middle of a conversation.
type talkers struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc

	mu      sync.Mutex
	users   []*talker
	replies int
	took    figures // of all requests
	repeats int     // requests that were sent to a second element
	wrong   int     // replies to something else
	failed  []error // sessions that ended
}

// talker is one of them.
type talker struct {
	with  rserpool.PEID
	hit   bool      // its element died and no other has replied yet
	since time.Time // when that was
	done  chan<- time.Duration
}

func startTalkers(s *scope, n int) *talkers {
	ctx, cancel := context.WithCancel(s.ctx)
	all := &talkers{cancel: cancel}
	for i := range n {
		pu, err := pooluser.New(&pooluser.Config{Registrars: s.names, Profile: core.ProfileFast, Listen: "127.0.0.1@0", WaitForPool: true})
		require.NoError(s.t, err)
		u := &talker{}
		all.users = append(all.users, u)
		all.wg.Go(func() {
			defer pu.Close()
			sess, err := pu.Dial(ctx, killPool)
			if err != nil {
				all.ended(ctx, err)
				return
			}
			defer sess.Close()
			for no := 0; ctx.Err() == nil; no++ {
				if err := all.ask(ctx, u, sess, fmt.Appendf(nil, "user %d request %d", i, no)); err != nil {
					all.ended(ctx, err)
					return
				}
				time.Sleep(talkEvery)
			}
		})
	}
	return all
}

// ask sends a request, to another element if the first one does not answer, and notes
// how long that took.
func (a *talkers) ask(ctx context.Context, u *talker, s *pooluser.Session, request []byte) error {
	start := time.Now()
	tries, buf := 0, make([]byte, 256)
	var reply sctp.Message
	err := s.Exchange(ctx, func(ctx context.Context) error {
		tries++
		err := s.Send(ctx, &sctp.Message{Data: request})
		if err == nil {
			reply, err = s.Receive(ctx, buf)
		}
		return err
	})
	if err != nil {
		return err
	}
	end := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replies++
	a.repeats += tries - 1
	a.took = append(a.took, end.Sub(start))
	if !bytes.Equal(reply.Data, request) {
		a.wrong++
	}
	el := s.Element().ID
	if u.hit && el != u.with {
		u.hit = false
		u.done <- end.Sub(u.since)
	}
	u.with = el
	return nil
}

func (a *talkers) ended(ctx context.Context, err error) {
	if ctx.Err() == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.failed = append(a.failed, err)
	}
}

// strike notes whose element dies. The channel tells how long each has to wait.
func (a *talkers) strike(at time.Time, id rserpool.PEID) (hit int, done <-chan time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ch := make(chan time.Duration, len(a.users))
	for _, u := range a.users {
		if u.with == id {
			u.hit, u.since, u.done = true, at, ch
			hit++
		}
	}
	return hit, ch
}

// busiest returns the element with the most users.
func (a *talkers) busiest() rserpool.PEID {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := map[rserpool.PEID]int{}
	best := rserpool.PEID(0)
	for _, u := range a.users {
		if n[u.with]++; u.with != 0 && n[u.with] > n[best] {
			best = u.with
		}
	}
	return best
}

func (s *scope) serveEcho(id rserpool.PEID) *proc {
	args := []string{"serve", "echo", "--pool", killPool, "--id", id.String(), "--listen", "127.0.0.1@0", "--profile", killProfile(), "--log", "off", "--exit-with-stdin"}
	for _, r := range s.names {
		args = append(args, "--registrar", r)
	}
	p, err := s.procs.start("element "+id.String(), args...)
	require.NoError(s.t, err)
	_, err = p.await(s.ctx, "registered")
	require.NoError(s.t, err)
	return p
}

// An element is killed, or stops, under load: its users go on with another one within a
// second, 99 of 100 of them at least, and no request is left without its reply.
func TestKillElement(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(how(sig), func(t *testing.T) { killElement(t, sig) })
	}
}

func killElement(t *testing.T, sig syscall.Signal) {
	s := startScope(t, 2)
	elements := map[rserpool.PEID]*proc{}
	for i := range killElements {
		id := rserpool.PEID(0xe1 + i)
		elements[id] = s.serveEcho(id)
	}
	users := startTalkers(s, 10*killElements)
	defer users.wg.Wait()
	defer users.cancel()
	var pauses, gone figures
	for round := range killRounds(1) {
		time.Sleep(time.Second) // for the state of things to settle
		victim := users.busiest()
		require.NotZero(t, victim)
		at := s.strike(elements[victim], sig)
		hit, done := users.strike(at, victim)
		require.Positive(t, hit)
		for range hit {
			select {
			case d := <-done:
				pauses = append(pauses, d)
			case <-time.After(time.Minute):
				require.Fail(t, "timeout", "%d of %d users go on, round %d", len(pauses), hit, round)
			}
		}
		gone = append(gone, s.removed(victim, at))
		delete(elements, victim)
		fresh := rserpool.PEID(0x100 + round)
		elements[fresh] = s.serveEcho(fresh)
	}
	users.cancel()
	users.wg.Wait()
	users.mu.Lock()
	defer users.mu.Unlock()
	t.Log(lines(
		fmt.Sprintf("%d requests of %d users, without a reply: 0, wrong replies: %d, sent twice: %d", users.replies, len(users.users), users.wrong, users.repeats),
		"| what | count | p50 | p99 | longest |", "|---|---|---|---|---|",
		pauses.row("element "+how(sig)+": its users go on with another"),
		gone.row("element "+how(sig)+": removed from the pool"),
		users.took.row("element "+how(sig)+": all requests")))
	require.Empty(t, users.failed, "sessions ended")
	require.Zero(t, users.wrong)
	require.Less(t, pauses.at(0.99), patient(time.Second))
}

// removed waits until no registrar lists an element any more.
func (s *scope) removed(id rserpool.PEID, at time.Time) time.Duration {
	s.t.Helper()
	key := killPool + "/" + id.String()
	for time.Since(at) < time.Minute {
		if !slices.ContainsFunc([]int{0, 1}, func(i int) bool { return s.table(i)[key] != "" }) {
			return time.Since(at)
		}
		time.Sleep(5 * time.Millisecond)
	}
	require.Fail(s.t, "timeout", "%s is still there", key)
	return 0
}

func how(sig syscall.Signal) string {
	switch sig {
	case syscall.SIGKILL:
		return "killed"
	case syscall.SIGSTOP:
		return "stopped"
	}
	return strconv.Itoa(int(sig))
}
