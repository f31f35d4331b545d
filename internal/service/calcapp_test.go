package service_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/sctp"
)

// next receives a message within a minute.
func next(t *testing.T, a *sctp.Association) (sctp.Message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return a.Receive(ctx, make([]byte, 100))
}

// calc waits for the next CalcApp message that is no keep-alive, and answers those.
func calc(t *testing.T, a *sctp.Association) service.CalcMessage {
	t.Helper()
	for {
		m, err := next(t, a)
		require.NoError(t, err)
		if m.PPID != service.PPIDCalcApp {
			continue // a cookie
		}
		c, err := service.DecodeCalcMessage(m.Data)
		require.NoError(t, err)
		if c.Type != service.CalcKeepAlive {
			return c
		}
		say(t, a, service.CalcMessage{Type: service.CalcKeepAliveAck, JobID: c.JobID})
	}
}

func say(t *testing.T, a *sctp.Association, m service.CalcMessage) {
	t.Helper()
	require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: service.PPIDCalcApp, Data: m.AppendTo(nil)}))
}

// Bytes recorded between rsplib 3.4.4's calcappclient and rspserver.
func TestCalcAppBytes(t *testing.T) {
	const request = "01000018 00000001 000000000000a053 0000000000000000"
	m, err := service.DecodeCalcMessage(unhex(t, request))
	require.NoError(t, err)
	require.Equal(t, service.CalcMessage{Type: service.CalcRequest, JobID: 1, JobSize: 41043}, m)
	require.Equal(t, unhex(t, request), m.AppendTo(nil))
	for name, b := range map[string]string{
		"empty": "01", "cut": request[:len(request)-2], "longer": request + "00",
		"length":    "01000017 00000001 000000000000a053 0000000000000000",
		"type 0":    "00000018 00000001 000000000000a053 0000000000000000",
		"type 8":    "08000018 00000001 000000000000a053 0000000000000000",
		"no length": "01000000 00000001 000000000000a053 0000000000000000",
	} {
		_, err := service.DecodeCalcMessage(unhex(t, b))
		require.Error(t, err, name)
	}
}

// Jobs share the capacity: one of a million calculations takes a second alone, two take
// two.
func TestCalcAppJobsShareTheCapacity(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pe := w.serve(1, newService(t, "calcapp", service.Options{}))
		a := w.raw(pe)
		job := func(a *sctp.Association, id uint32) {
			say(t, a, service.CalcMessage{Type: service.CalcRequest, JobID: id, JobSize: 1_000_000})
			require.Equal(t, service.CalcMessage{Type: service.CalcAccept, JobID: id}, calc(t, a))
		}
		done := func(a *sctp.Association, id uint32) {
			require.Equal(t, service.CalcMessage{Type: service.CalcComplete, JobID: id, JobSize: 1_000_000, Completed: 1_000_000}, calc(t, a))
		}
		begin := time.Now()
		job(a, 1)
		done(a, 1)
		require.InDelta(t, 1, time.Since(begin).Seconds(), 0.15)

		b, err := w.Stack(92).Dial(t.Context(), pe.Addr().(*sctp.Addr), nil)
		require.NoError(t, err)
		defer b.Close()
		begin = time.Now()
		job(a, 2)
		job(b, 3)
		done(a, 2)
		done(b, 3)
		require.InDelta(t, 2, time.Since(begin).Seconds(), 0.25)
	})
}

// The cookie is rsplib's, 20 bytes, and a job goes on from it.
func TestCalcAppGoesOnFromTheCookie(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.raw(w.serve(1, newService(t, "calcapp", service.Options{})))
		w.echo(a, unhex(t, "00000001 0000000000343787 000000000029d8f4")) // recorded, but further
		begin := time.Now()
		require.Equal(t, service.CalcMessage{Type: service.CalcAccept, JobID: 1}, calc(t, a))
		require.Equal(t, service.CalcMessage{Type: service.CalcComplete, JobID: 1, JobSize: 0x343787, Completed: 0x343787}, calc(t, a))
		require.InDelta(t, float64(0x343787-0x29d8f4)/1e6, time.Since(begin).Seconds(), 0.15)
	})
	for _, c := range []string{"00000001", "00000001 0000000000000001 0000000000000002", "00000001 0000000000000001 0000000000000001 00"} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.raw(w.serve(1, newService(t, "calcapp", service.Options{})))
			w.echo(a, unhex(t, c))
			_, err := next(t, a)
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, c)
		})
	}
}

// The eleventh job is rejected, until one is aborted. A user that does not answer
// keep-alives is aborted, and its job makes room, too.
func TestCalcAppHasRoomForTen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pe := w.serve(1, newService(t, "calcapp", service.Options{}))
		var users []*sctp.Association
		for i := range 11 {
			a, err := w.Stack(100+i).Dial(t.Context(), pe.Addr().(*sctp.Addr), nil)
			require.NoError(t, err)
			defer a.Close()
			say(t, a, service.CalcMessage{Type: service.CalcRequest, JobID: uint32(i), JobSize: 1 << 62})
			want := service.CalcAccept
			if i == 10 {
				want = service.CalcReject
			}
			require.Equal(t, want, calc(t, a).Type)
			users = append(users, a)
		}
		say(t, users[0], service.CalcMessage{Type: service.CalcAbort})
		time.Sleep(100 * time.Millisecond)
		say(t, users[10], service.CalcMessage{Type: service.CalcRequest, JobID: 10, JobSize: 1 << 62})
		require.Equal(t, service.CalcAccept, calc(t, users[10]).Type)
		time.Sleep(10 * time.Second)
		for _, a := range users[1:] {
			for {
				if _, err := next(t, a); err != nil {
					var abort *sctp.AbortError
					require.ErrorAs(t, err, &abort)
					break
				}
			}
		}
		say(t, users[0], service.CalcMessage{Type: service.CalcRequest, JobSize: 1})
		require.Equal(t, service.CalcAccept, calc(t, users[0]).Type)
	})
}

// What no user says ends the session.
func TestCalcAppHostile(t *testing.T) {
	for _, b := range []string{"01", "02000018 00000001 000000000000a053 0000000000000000", "01000018 00000001 000000000000a053 0000000000000000 00"} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.raw(w.serve(1, newService(t, "calcapp", service.Options{})))
			require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: service.PPIDCalcApp, Data: unhex(t, b)}))
			_, err := next(t, a)
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, b)
		})
	}
}
