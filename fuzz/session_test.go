package fuzz

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/sctp"
)

// Operations of FuzzSession.
const (
	sessionControl = iota // an ASAP message, well-formed or not
	sessionData
	sessionOther // any payload protocol identifier
	sessionPause
)

// maxFuzzCookie is what the pool user of FuzzSession takes.
const maxFuzzCookie = 300

// FuzzSession: both ends of a session of a pool user with a pool element. Each step
// of the input is a message that one end sends past its library: control messages of
// any content, data, and what is neither. The other end reads them, drops what makes
// no sense, keeps no cookie that is longer than it may be, and then both end; no
// goroutine is left over.
func FuzzSession(f *testing.F) {
	seen := map[byte]bool{} // a run costs milliseconds: one seed a message type
	for _, b := range rserpoolSeeds(f, "asap") {
		if len(b) > 0 && !seen[b[0]] {
			seen[b[0]] = true
			p := appendStep(nil, sessionControl, 0, b)
			p = appendStep(appendStep(p, sessionControl, 1, b), sessionData, 0, []byte("data"))
			f.Add(appendStep(p, sessionControl, 0, b[:len(b)-1]))
		}
	}
	long := (&asap.Cookie{Cookie: make([]byte, maxFuzzCookie+1)}).AppendTo(nil)
	short := (&asap.Cookie{Cookie: []byte("state")}).AppendTo(nil)
	f.Add(appendStep(appendStep(nil, sessionControl, 0, short), sessionControl, 0, long))
	f.Add(appendStep(appendStep(nil, sessionOther, 12<<2, short), sessionPause, 40, nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		steps := program(in, 24)
		synctest.Test(t, func(t *testing.T) { session(t, steps) })
	})
}

func session(t *testing.T, steps []step) {
	w := asaplinktest.NewWorld(t)
	registrar := w.Registrar(1)
	pe, err := poolelement.Listen(t.Context(), fuzzPool, &poolelement.Config{
		Registrars: []string{registrar.Address()}, Stack: w.Stack(2), Profile: asapcore.ProfileFast,
	})
	require.NoError(t, err)
	pu, err := pooluser.New(&pooluser.Config{
		Registrars: []string{registrar.Address()}, Stack: w.Stack(3), Profile: asapcore.ProfileFast, MaxCookie: maxFuzzCookie,
	})
	require.NoError(t, err)
	user, err := pu.Dial(t.Context(), fuzzPool)
	require.NoError(t, err)
	element, err := pe.AcceptSession(t.Context())
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan struct{}, 2)
	read := func(receive func(context.Context, []byte) (sctp.Message, error)) {
		buf := make([]byte, 2000)
		for {
			m, err := receive(ctx, buf)
			if err != nil {
				break
			}
			if uint32(m.PPID) == asap.PPID {
				t.Error("a control message among the data")
			}
		}
		done <- struct{}{}
	}
	go read(user.Receive)
	go read(element.Receive)
	for _, s := range steps {
		from := element.Association()
		if s.pick&1 != 0 {
			from = user.Association()
		}
		m := &sctp.Message{Stream: sctp.StreamID(s.pick >> 1 & 3), Data: s.body}
		switch s.op % 4 {
		case sessionControl:
			m.PPID = sctp.PPID(asap.PPID)
		case sessionOther:
			m.PPID = sctp.PPID(s.pick >> 2)
		case sessionPause:
			time.Sleep(time.Duration(s.pick) * 10 * time.Millisecond)
			continue
		}
		_ = from.TrySend(m) // the session may have ended of what came before
	}
	time.Sleep(time.Second)
	require.LessOrEqual(t, len(user.Cookie()), maxFuzzCookie)
	cookieCtx, stop := context.WithTimeout(ctx, time.Second)
	_, _ = element.Cookie(cookieCtx) // there may be none
	stop()
	_ = user.Close()
	_ = element.Close()
	<-done
	<-done
	require.NoError(t, pu.Close())
	require.NoError(t, pe.Close())
}
