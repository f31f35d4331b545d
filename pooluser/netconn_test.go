package pooluser_test

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// failing is a connection whose calls fail.
type failing struct {
	net.Conn
	err error
}

func (c failing) Read([]byte) (int, error)  { return 0, c.err }
func (c failing) Write([]byte) (int, error) { return 0, c.err }

// A connection of TCP or UDP that breaks is held against the element, and the element
// is reported if it did not answer (RFC 5352 §3.5).
func TestBrokenConnections(t *testing.T) {
	for _, c := range []struct {
		name             string
		err              error
		struck, reported bool
	}{
		{"end", io.EOF, false, false},
		{"deadline", os.ErrDeadlineExceeded, false, false},
		{"closed here", net.ErrClosed, false, false},
		{"reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true, false},
		{"other", errBroken, true, false},
		{"silent", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}, true, true},
		{"port unreachable", &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.ECONNREFUSED)}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0)
				for id := rserpool.PEID(1); id <= 2; id++ {
					w.registrar.Add(pool, tcpElement(id))
				}
				pu := w.user(pooluser.Config{DialNet: func(context.Context, string, string) (net.Conn, error) {
					return failing{err: c.err}, nil
				}})
				dial := func() *pooluser.NetConn {
					conn, err := pu.DialContext(t.Context(), "tcp", string(pool)+":80")
					require.NoError(t, err)
					return conn.(*pooluser.NetConn)
				}
				conn := dial()
				require.Equal(t, pool, conn.Handle())
				broken := conn.Element().ID
				for range 3 {
					_, err := conn.Read(make([]byte, 1))
					require.ErrorIs(t, err, c.err)
					_, err = conn.Write([]byte("x"))
					require.ErrorIs(t, err, c.err)
				}
				time.Sleep(100 * time.Millisecond)
				again := 0
				for range 4 {
					if dial().Element().ID == broken {
						again++
					}
				}
				require.Equal(t, !c.struck, again > 0)
				want := 0
				if c.reported {
					want = 1
				}
				require.Equal(t, want, w.registrar.Count(asap.TypeEndpointUnreachable))
			})
		})
	}
}

// The network says which elements will do: "tcp" is what net/http and others say who
// want a stream of bytes.
func TestDialContextNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1) // pool is one of SCTP
		udp := tcpElement(1)
		udp.User.Protocol = rserpool.ProtoUDP
		w.registrar.Add("TCP", tcpElement(1))
		w.registrar.Add("UDP", udp)
		var dialed []string
		pu := w.user(pooluser.Config{DialNet: func(_ context.Context, network, address string) (net.Conn, error) {
			dialed = append(dialed, network+" "+address)
			a, b := net.Pipe()
			t.Cleanup(func() { _ = b.Close() })
			return a, nil
		}})
		for _, c := range []struct {
			network, pool string
			ok            bool
		}{
			{"tcp", "TCP", true}, {"tcp4", "TCP", true}, {"", "TCP", true}, {"udp", "TCP", false}, {"sctp", "TCP", false},
			{"udp", "UDP", true}, {"", "UDP", true}, {"tcp", "UDP", false}, {"sctp", "UDP", false},
			{"sctp", string(pool), true}, {"tcp", string(pool), true}, {"", string(pool), true}, {"udp", string(pool), false},
		} {
			conn, err := pu.DialContext(t.Context(), c.network, c.pool)
			if !c.ok {
				require.ErrorIs(t, err, pooluser.ErrNoElement, "%v", c)
				require.ErrorContains(t, err, "they speak")
				continue
			}
			require.NoError(t, err, "%v", c)
			_, session := conn.(*pooluser.Conn)
			require.Equal(t, c.pool == string(pool), session)
			require.NoError(t, conn.Close())
		}
		require.Equal(t, []string{"tcp 10.0.0.11:80", "tcp 10.0.0.11:80", "tcp 10.0.0.11:80", "udp 10.0.0.11:80", "udp 10.0.0.11:80"}, dialed)

		// A session needs SCTP.
		_, err := pu.Dial(t.Context(), "TCP")
		require.ErrorIs(t, err, pooluser.ErrNoElement)
		require.ErrorContains(t, err, "they speak tcp")
	})
}
