//go:build interop

package interop

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// A registrarByHand is a peer of a registrar: it says that it is there, answers what a
// peer must answer, and for the rest says what the test wants.
type registrarByHand struct {
	t    testing.TB
	id   rserpool.RegistrarID
	a    *sctp.Association
	self rserpool.ServerInfo

	mu     sync.Mutex
	mute   bool    // say and answer nothing any more
	lie    *uint16 // the checksum to tell instead
	tables bool    // whether requests for tables are answered
	owned  []entry
	heard  []enrp.Message
}

// An entry is an element in a pool.
type entry struct {
	pool rserpool.PoolHandle
	e    rserpool.PoolElement
}

// join makes the node's stack a peer of the registrar at an ENRP port, under an
// identifier, from the ENRP port as rsplib wants it.
func (n node) join(t testing.TB, s *sctp.Stack, to string, port int, id rserpool.RegistrarID) *registrarByHand {
	t.Helper()
	a, err := s.Dial(within(t, 30*time.Second), &sctp.Addr{IPs: parse([]string{to}), Port: uint16(port)},
		&sctp.Config{LocalPort: enrpPort, RTOInitial: 500 * time.Millisecond, RTOMin: 200 * time.Millisecond, SackDelay: -1})
	require.NoError(t, err)
	r := &registrarByHand{t: t, id: id, a: a, tables: true, self: rserpool.ServerInfo{ID: id,
		Transport: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: enrpPort, Addrs: parse([]string{n.addr()})}}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.receive(ctx) })
	wg.Go(func() { r.heartbeat(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = a.Abort("the test is over")
		wg.Wait()
	})
	return r
}

// heartbeat says each second that the peer is there.
func (r *registrarByHand) heartbeat(ctx context.Context) {
	for ctx.Err() == nil {
		r.presence(0, false)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// presence sends one.
func (r *registrarByHand) presence(to rserpool.RegistrarID, reply bool) {
	r.mu.Lock()
	m := &enrp.Presence{Sender: r.id, Receiver: to, HasChecksum: true, Checksum: sumOf(r.owned), Server: &r.self, ReplyRequired: reply}
	if r.lie != nil {
		m.Checksum = *r.lie
	}
	mute := r.mute
	r.mu.Unlock()
	if !mute {
		r.say(m)
	}
}

// say sends a message if the association is there yet.
func (r *registrarByHand) say(m enrp.Message) {
	_ = r.a.TrySend(&sctp.Message{PPID: sctp.PPID(enrp.PPID), Data: m.AppendTo(nil)})
}

// receive notes what comes and answers what has to be answered.
func (r *registrarByHand) receive(ctx context.Context) {
	for {
		in, err := r.a.ReceiveMessage(ctx, nil, 1<<16)
		if err != nil {
			return
		}
		m, err := enrp.Decode(in.Data)
		if err != nil {
			continue
		}
		r.mu.Lock()
		r.heard = append(r.heard, m)
		mute, tables, owned := r.mute, r.tables, slices.Clone(r.owned)
		r.mu.Unlock()
		if mute {
			continue
		}
		switch m := m.(type) {
		case *enrp.Presence:
			if m.ReplyRequired {
				r.presence(m.Sender, false)
			}
		case *enrp.ListRequest:
			r.say(&enrp.ListResponse{Sender: r.id, Receiver: m.Sender})
		case *enrp.HandleTableRequest:
			if tables {
				page := &enrp.HandleTableResponse{Sender: r.id, Receiver: m.Sender}
				for _, o := range owned {
					page.Pools = append(page.Pools, enrp.PoolEntries{Handle: o.pool, Elements: []rserpool.PoolElement{o.e}})
				}
				r.say(page)
			}
		}
	}
}

// change changes how the peer behaves.
func (r *registrarByHand) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// messages are what came so far.
func (r *registrarByHand) messages() []enrp.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// heardNext waits for a message of a kind after those that came before, and returns it.
func heardNext[M enrp.Message](r *registrarByHand, after int, limit time.Duration, is func(M) bool) M {
	r.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		for _, m := range r.messages()[after:] {
			if got, ok := m.(M); ok && is(got) {
				return got
			}
		}
		require.True(r.t, time.Now().Before(end), "no such message: %v", r.messages()[after:])
	}
}

func anyOf[M enrp.Message](M) bool { return true }

// met waits until the registrar has answered, and returns its identifier.
func (r *registrarByHand) met() rserpool.RegistrarID {
	r.t.Helper()
	return heardNext(r, 0, 15*time.Second, anyOf[*enrp.Presence]).Sender
}

// own makes an element the peer's and tells the registrar.
func (r *registrarByHand) own(to rserpool.RegistrarID, pool rserpool.PoolHandle, e rserpool.PoolElement) {
	e.Home = r.id
	r.change(func() { r.owned = append(r.owned, entry{pool, e}) })
	r.say(&enrp.HandleUpdate{Sender: r.id, Receiver: to, Action: enrp.AddPE, Handle: pool, Element: e})
}

// sumOf is the checksum of RFC 5353 §3.6.2: that of RFC 1071 over the handles, padded
// with zeros, and identifiers.
func sumOf(entries []entry) uint16 {
	var sum uint32
	for _, o := range entries {
		b := []byte(o.pool)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(o.e.ID))
		for i := 0; i < len(b); i += 2 {
			sum += uint32(b[i])<<8 | uint32(b[i+1])
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
