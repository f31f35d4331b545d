package sctp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
)

// stackSeeds is the seeds of TestSimStacks: the only one if SIM_SEED is set, else a
// tenth of what SIM_SEEDS says, or some.
func stackSeeds(t *testing.T) (first, count uint64) {
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		require.NoError(t, err, name)
		return n
	}
	switch {
	case os.Getenv("SIM_SEED") != "":
		return number("SIM_SEED"), 1
	case os.Getenv("SIM_SEEDS") != "":
		return 1, max(number("SIM_SEEDS")/10, 1)
	}
	return 1, 10
}

// TestSimStacks lets users of two stacks open associations on a bad network, send on
// several streams, give up by context and deadline, and end in all ways, while links
// change and fail. Messages arrive once, unchanged and in the order of their stream; a
// graceful end loses none; and nothing is left: neither associations nor goroutines
// (the bubble sees to that).
func TestSimStacks(t *testing.T) {
	first, count := stackSeeds(t)
	for seed := first; seed < first+count; seed++ {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateStacks(t, seed) })
		})
		if !ok {
			t.Logf("to repeat: SIM_SEED=%d go test -count=1 -run TestSimStacks ./sctp", seed)
		}
	}
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// stackSim is one run.
type stackSim struct {
	t         *testing.T
	w         *world
	clientIPs []netip.Addr
	serverIPs []netip.Addr
	visits    atomic.Uint32
	servers   sync.WaitGroup
	poller    *sctp.Poller // with every other seed, instead of a goroutine for each association

	mu        sync.Mutex
	delivered map[sctp.PPID]int // messages by visit
	promised  map[sctp.PPID]int // sent in visits that ended gracefully
}

func simulateStacks(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 4))
	s := &stackSim{t: t, w: &world{t: t, net: simnet.New(seed)}, delivered: map[sctp.PPID]int{}, promised: map[sctp.PPID]int{}}
	for i := range 1 + r.IntN(2) {
		s.clientIPs = append(s.clientIPs, netip.AddrFrom4([4]byte{192, 0, byte(2 + i), 1}))
		s.serverIPs = append(s.serverIPs, netip.AddrFrom4([4]byte{192, 0, byte(2 + i), 2}))
	}
	s.weather(r)
	if seed%2 == 0 {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s.poll(ctx)
	}
	client, server := s.w.stack(sctp.StackConfig{}, s.clientIPs...), s.w.stack(sctp.StackConfig{}, s.serverIPs...)
	l, err := server.Listen(&sctp.Addr{Port: testPort}, s.config(r))
	require.NoError(t, err)
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	group.Go(func() { s.accept(ctx, l, rand.New(rand.NewPCG(seed, 5))) })
	group.Go(func() { s.mishaps(ctx, rand.New(rand.NewPCG(seed, 6))) })
	var users sync.WaitGroup
	for i := range 1 + r.IntN(8) {
		cfg, ur := s.config(r), rand.New(rand.NewPCG(seed, uint64(100+i)))
		users.Go(func() { s.visit(client, cfg, ur) })
	}
	users.Wait()
	cancel()
	require.NoError(t, l.Close())
	group.Wait()
	s.heal()
	for limit := time.Now().Add(24 * time.Hour); client.Stats().Associations+server.Stats().Associations > 0; time.Sleep(time.Second) {
		require.True(t, time.Now().Before(limit), "seed %d: associations are left after a day: %v %v", seed, client.Associations(), server.Associations())
	}
	s.servers.Wait()
	all := 0
	for _, n := range s.delivered {
		all += n
	}
	t.Logf("%d messages, %d graceful ends", all, len(s.promised))
	for visit, n := range s.promised {
		require.Equal(t, n, s.delivered[visit], "seed %d: messages of a visit that ended gracefully", seed)
	}
}

func (s *stackSim) config(r *rand.Rand) *sctp.Config {
	return &sctp.Config{
		RTOMin: one(r, 20*time.Millisecond, time.Second), RTOMax: 5 * time.Second, HeartbeatInterval: time.Duration(1+r.IntN(10)) * time.Second,
		RecvBuffer: one(r, 4096, 60_000, 1<<20), SendBuffer: one(r, 1000, 60_000, 1<<20), MaxBurst: one(r, 0, -1, 2),
		AssociationMaxRetrans: 50, MaxInitRetransmits: 50, Nagle: r.IntN(2) == 0, Linger: time.Duration(1+r.IntN(60)) * time.Second,
		QuickFailover: r.IntN(2) == 0, Events: one(r, 0, sctp.EventAll), Backlog: 100,
	}
}

// weather sets random links.
func (s *stackSim) weather(r *rand.Rand) {
	s.w.net.SetDefaultLink(simnet.Link{
		Delay: time.Duration(r.IntN(50)) * time.Millisecond, Jitter: time.Duration(r.IntN(10)) * time.Millisecond,
		Loss: r.Float64() * one(r, 0, 0.05, 0.3), Duplicate: r.Float64() * 0.1, Reorder: r.Float64() * 0.2, Corrupt: r.Float64() * 0.02,
	})
}

func (s *stackSim) mishaps(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		i := r.IntN(len(s.clientIPs))
		switch r.IntN(4) {
		case 0:
			s.weather(r)
		case 1:
			s.w.net.SetDown(s.clientIPs[i], s.serverIPs[i], true)
		case 2:
			s.w.net.Partition(s.clientIPs, nil)
			time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
			fallthrough
		default:
			s.heal()
		}
	}
}

func (s *stackSim) heal() {
	s.w.net.Heal()
	for i := range s.clientIPs {
		s.w.net.SetDown(s.clientIPs[i], s.serverIPs[i], false)
	}
}

// accept serves associations: each is read until it ends.
func (s *stackSim) accept(ctx context.Context, l *sctp.Listener, r *rand.Rand) {
	for {
		a, err := l.AcceptSCTP(ctx)
		if err != nil {
			return
		}
		lazy := time.Duration(r.IntN(200)) * time.Millisecond
		if s.poller != nil {
			s.servers.Add(1)
			require.NoError(s.t, s.poller.Add(a, newServed(lazy)))
			continue
		}
		s.servers.Go(func() { s.serve(a, lazy) })
	}
}

// poll serves associations in two goroutines.
func (s *stackSim) poll(ctx context.Context) {
	s.poller = new(sctp.Poller)
	for range 2 {
		go func() {
			for {
				p, err := s.poller.Next(ctx)
				if err != nil {
					return
				}
				for range 3 {
					var m sctp.Message
					if m, err = p.ReceiveMessage(nil, 1<<20); err != nil {
						break
					}
					s.check(p.Tag.(*served), &m)
				}
				if err != nil && !errors.Is(err, sctp.ErrWouldBlock) {
					_ = p.Association().Close()
					s.servers.Done()
				}
				p.Done()
			}
		}()
	}
}

// serve reads an association to its end.
func (s *stackSim) serve(a *sctp.Association, lazy time.Duration) {
	v := newServed(lazy)
	for {
		m, err := a.ReceiveMessage(context.Background(), nil, 1<<20)
		if err != nil {
			_ = a.Close()
			return
		}
		s.check(v, &m)
	}
}

// served is what has come from an association.
type served struct {
	lazy time.Duration
	next map[sctp.StreamID]uint32
	seen map[uint64]bool
}

func newServed(lazy time.Duration) *served {
	return &served{lazy: lazy, next: map[sctp.StreamID]uint32{}, seen: map[uint64]bool{}}
}

// check looks at a message: the stream's number of each ordered one, and bytes that
// follow from it.
func (s *stackSim) check(v *served, m *sctp.Message) {
	n := binary.BigEndian.Uint32(m.Data)
	key := uint64(m.Stream)<<32 | uint64(n)
	if m.Unordered {
		key |= 1 << 63
	} else if n != v.next[m.Stream] {
		s.t.Errorf("message %d of stream %d comes in the place of %d", n, m.Stream, v.next[m.Stream])
	} else {
		v.next[m.Stream]++
	}
	if v.seen[key] {
		s.t.Errorf("message %d of stream %d came twice", n, m.Stream)
	}
	v.seen[key] = true
	for i, b := range m.Data[4:] {
		if b != byte(int(n)+i) {
			s.t.Errorf("message %d of stream %d: byte %d", n, m.Stream, i)
			break
		}
	}
	s.mu.Lock()
	s.delivered[m.PPID]++
	s.mu.Unlock()
	if len(v.seen)%50 == 0 {
		time.Sleep(v.lazy)
	}
}

// visit opens an association, sends, and ends it in some way.
func (s *stackSim) visit(client *sctp.Stack, cfg *sctp.Config, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(120))*time.Second)
	defer cancel()
	a, err := client.Dial(ctx, &sctp.Addr{IPs: s.serverIPs[:1+r.IntN(len(s.serverIPs))], Port: testPort}, cfg)
	if err != nil {
		return
	}
	id := sctp.PPID(s.visits.Add(1))
	var writers sync.WaitGroup
	var sent atomic.Int64
	for i := range 1 + r.IntN(4) {
		wr := rand.New(rand.NewPCG(r.Uint64(), 1))
		writers.Go(func() { s.write(ctx, a, id, sctp.StreamID(i), wr, &sent) })
	}
	writers.Wait()
	switch r.IntN(4) {
	case 0:
		_ = a.Abort("enough")
	case 1:
		_ = a.Close()
	default:
		if a.Shutdown(context.Background()) == nil {
			require.Zero(s.t, a.Buffered(), "a graceful end leaves nothing")
			s.mu.Lock()
			s.promised[id] = int(sent.Load())
			s.mu.Unlock()
		}
	}
	_ = a.Close()
}

// write sends messages on one stream, ordered and unordered ones, each kind with its
// own numbers, until one cannot be sent in time.
func (s *stackSim) write(ctx context.Context, a *sctp.Association, visit sctp.PPID, id sctp.StreamID, r *rand.Rand, sent *atomic.Int64) {
	var next [2]uint32
	for range r.IntN(100) {
		kind := 0
		if r.IntN(4) == 0 {
			kind = 1
		}
		n := 4 + r.IntN(500)
		if r.IntN(10) == 0 {
			n = 4 + r.IntN(30_000)
		}
		b := make([]byte, n)
		binary.BigEndian.PutUint32(b, next[kind])
		for i := range b[4:] {
			b[4+i] = byte(int(next[kind]) + i)
		}
		if a.Send(ctx, &sctp.Message{Stream: id, PPID: visit, Unordered: kind == 1, Data: b, More: r.IntN(8) == 0, Immediate: r.IntN(8) == 0}) != nil {
			return
		}
		sent.Add(1)
		next[kind]++
		if r.IntN(10) == 0 {
			time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		}
	}
}
