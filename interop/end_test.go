//go:build interop

package interop

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// awaitMessages reads count messages.
func awaitMessages(t *testing.T, a *sctp.Association, count int) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for range count {
		_, err := a.ReceiveMessage(ctx, nil, 1<<16)
		require.NoError(t, err)
	}
}

// The peer shuts down with data on its way: we get that, then the end.
func TestPeerShutsDown(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		a, p := meetScript(ctx, t, role, n, k, nil, nil, "send", "50", "1000", "shutdown", "recvall")
		awaitMessages(t, a, 50)
		requireEOF(ctx, t, a)
		require.ErrorIs(t, a.Send(ctx, &sctp.Message{Data: []byte("late")}), sctp.ErrShutdown)
		p.wait(t, 10*time.Second)
		require.Contains(t, p.log(), "association shut down")
	})
}

// We shut down with data on its way: the peer gets that, then the end.
func TestWeShutDown(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		a, p := meetScript(ctx, t, role, n, k, nil, nil, "sleep", "1", "recvall")
		for range 50 {
			require.NoError(t, a.Send(ctx, &sctp.Message{Data: make([]byte, 1000)}))
		}
		require.NoError(t, a.Shutdown(ctx))
		p.wait(t, 10*time.Second)
		require.Contains(t, p.log(), "received 50")
		require.Contains(t, p.log(), "association shut down")
	})
}

// Both ends shut down at once: their SHUTDOWN chunks cross on a slow network
// (RFC 9260 §9.2). Both ends are gracefully.
func TestBothShutDownAtOnce(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		ctx := within(t, time.Minute)
		file := capture(t, "shutdowns-"+role, "host "+n.addr())
		slow := impaired(n.sockets(t, n.addr()), impairment{latency: time.Second})
		a, p := meetScript(ctx, t, role, n, k, slow, nil, "recv", "1", "sleep", "2", "shutdown", "recvall")
		require.NoError(t, a.Send(ctx, &sctp.Message{Data: []byte("go")}))
		p.await(t, "do shutdown", 10*time.Second) // which we will see a second later
		require.NoError(t, a.Shutdown(ctx))
		p.wait(t, 10*time.Second)
		endCapture(t, "shutdowns-"+role)
		log := chunks(t, file)
		require.Contains(t, log, n.addr()+" 7\n")
		require.Contains(t, log, k.addr()+" 7\n")
	})
}

// An ABORT carries the user's reason in both directions (RFC 9260 §9.1).
func TestAbortWithReason(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		t.Run("by us", func(t *testing.T) {
			k, n := newKernel(t), newNode(t)
			ctx := within(t, time.Minute)
			a, p := meetScript(ctx, t, role, n, k, nil, nil, "recvall")
			require.NoError(t, a.Abort("out of cheese"))
			p.await(t, "association lost error=12 info=.*"+hex.EncodeToString([]byte("out of cheese")), 10*time.Second)
		})
		t.Run("by the peer", func(t *testing.T) {
			k, n := newKernel(t), newNode(t)
			ctx := within(t, time.Minute)
			a, _ := meetScript(ctx, t, role, n, k, nil, nil, "--many", "recv", "1", "abortmsg", "redo from start", "sleep", "1")
			require.NoError(t, a.Send(ctx, &sctp.Message{Data: []byte("go")}))
			_, err := a.Receive(ctx, make([]byte, 10))
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort)
			require.Equal(t, "redo from start", string(abort.Reason()))
			require.False(t, abort.Local)
		})
	})
}
