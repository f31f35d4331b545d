package daemon

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes are a listener of connections in this process.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Who asks for something and then says nothing more, does not finish a request or does not
// take the answer does not hold a connection for ever.
func TestConnectionsEnd(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tc := range map[string]struct {
		say  string
		read bool
		max  time.Duration
	}{
		"idle":           {get, true, 2 * time.Minute},
		"half a request": {get[:20], true, 10 * time.Second},
		"half a body":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx", true, time.Minute},
		"does not read":  {get, false, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = w.Write(make([]byte, 1<<20))
				}))
				l := make(pipes, 1)
				go func() { _ = s.Serve(l) }()
				mine, theirs := net.Pipe()
				ended := make(chan struct{})
				l <- &closing{Conn: theirs, ended: ended}
				begin := time.Now()
				_, err := io.WriteString(mine, tc.say)
				require.NoError(t, err)
				if tc.read {
					go func() { _, _ = io.Copy(io.Discard, bufio.NewReader(mine)) }()
				}
				select {
				case <-ended:
				case <-time.After(time.Hour):
					require.Fail(t, "it is still there")
				}
				require.Less(t, time.Since(begin), tc.max)
				_ = mine.Close()
				close(l)
				require.NoError(t, s.Close())
			})
		})
	}
}

// closing tells of its end.
type closing struct {
	net.Conn
	ended chan struct{}
}

func (c *closing) Close() error {
	select {
	case <-c.ended:
	default:
		close(c.ended)
	}
	return c.Conn.Close()
}
