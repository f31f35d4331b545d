package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
)

// keys returns the names in a JSON object, in their order.
func keys(t *testing.T, b string) []string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(b))
	var names []string
	depth, name := 0, true
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return names
		}
		require.NoError(t, err)
		switch d, isDelim := tok.(json.Delim); {
		case isDelim && (d == '{' || d == '['):
			depth++
			name = true
			continue
		case isDelim:
			depth--
			name = true
			continue
		}
		if depth == 1 && name {
			names = append(names, tok.(string))
		}
		name = !name
	}
}

func TestRegistrarCommand(t *testing.T) {
	web := "127.0.0.1:" + tcpPort(t)
	ports, err := freePorts(1)
	require.NoError(t, err)
	at := fmt.Sprintf("127.0.0.1:3863@%d", ports[0])
	r := start(t, "registrar", "--listen", fmt.Sprintf("127.0.0.1@%d", ports[0]), "--id", "abc", "--profile", "fast", "--http", web, "--log", "debug", "--log-format", "json")
	r.await("ready")
	_, id := serve(t, []string{"--registrar", at, "--profile", "fast"}, "echo", "--pool", "EchoPool", "--policy", "WeightedRoundRobin:3")

	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz"} {
		resp, err := http.Get("http://" + web + path)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode, path)
	}
	out := ok(t, "", "status", "--http", web, "--json")
	require.Equal(t, []string{"registrar", "peers", "pools", "rates", "events"}, keys(t, out))
	var s struct {
		Registrar struct {
			ID      string
			UptimeS float64 `json:"uptime_s"`
		}
		Pools []poolJSON
	}
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	require.Equal(t, "0x00000abc", s.Registrar.ID)
	require.Positive(t, s.Registrar.UptimeS)
	require.Len(t, s.Pools, 1)
	require.Equal(t, id, s.Pools[0].Elements[0].ID)
	out = ok(t, "", "status", "--http", "http://"+web+"/")
	require.Contains(t, out, "registrar 0x00000abc: ready")
	require.Contains(t, out, "EchoPool: WeightedRoundRobin, 1 element\n")
	require.Contains(t, out, id+"  weight 3  home 0x00000abc  sctp 127.0.0.1:")
	require.Contains(t, out, "0x00000abc  this one")
	require.Contains(t, out, "element "+id+" registered in EchoPool\n")
	require.Contains(t, ok(t, "", "status", "--http", web, "--find", "ECHO roundrobin"), id+"  weight 3")
	require.NotContains(t, ok(t, "", "status", "--http", web, "--find", "other"), "EchoPool:")
	w := start(t, "status", "--http", web, "--watch=10ms")
	for range 3 { // without a terminal one after the other
		w.await("EchoPool:")
	}
	require.Equal(t, 0, w.stop().code)

	res := r.stop()
	require.Equal(t, 0, res.code, res.err)
	for _, line := range strings.Split(strings.TrimSpace(res.err), "\n") {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

// Without --http a taken port is no reason to fail, with it it is.
func TestRegistrarStatusPageTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r := command(t, "", "registrar", "--listen", "127.0.0.1@0", "--log", "off", "--http", l.Addr().String())
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "address already in use")
	if l2, err := net.Listen("tcp", defaultHTTP); err == nil {
		defer l2.Close()
	}
	s := start(t, "registrar", "--listen", "127.0.0.1@0", "--profile", "fast", "--log", "warn")
	s.await("ready")
	res := s.stop()
	require.Equal(t, 0, res.code)
	require.Contains(t, res.err, "no status page")
}

func TestResolveCommand(t *testing.T) {
	flags := registrarAt(t)
	_, a := serve(t, flags, "echo", "--pool", "P", "--policy", "Priority:5", "--id", "a")
	_, b := serve(t, flags, "echo", "--pool", "P", "--policy", "Priority:9", "--id", "b")
	require.Equal(t, "0x0000000a", a)
	require.Equal(t, "0x0000000b", b)
	out := ok(t, "", append(flags, "resolve", "P", "--json")...)
	require.Equal(t, []string{"pool", "policy", "elements"}, keys(t, out))
	var p poolJSON
	require.NoError(t, json.Unmarshal([]byte(out), &p))
	require.Equal(t, "P", p.Pool)
	require.Equal(t, "Priority", p.Policy)
	require.Len(t, p.Elements, 2)
	e := p.Elements[0]
	require.Equal(t, "0x0000000b", e.ID)
	require.Equal(t, "0x00001111", e.Home)
	require.EqualValues(t, 9, e.Policy.Priority)
	require.Equal(t, "Priority:9", e.Policy.Text)
	require.Len(t, e.Transports, 1)
	tr := e.Transports[0]
	require.Equal(t, "sctp", tr.Protocol)
	require.Equal(t, "127.0.0.1", tr.Addresses[0].String())
	require.NotZero(t, tr.Port)
	require.NotZero(t, tr.UDPPort)
	require.Contains(t, out, `"transports":[{"protocol":"sctp","addresses":["127.0.0.1"],"port":`)

	out = ok(t, "", append(flags, "resolve", "P")...)
	require.True(t, strings.HasPrefix(out, "P: Priority, 2 elements\n  0x0000000b  home 0x00001111  Priority:9  sctp 127.0.0.1:"), out)
	out = ok(t, "", append(flags, "resolve", "P", "--items", "1", "--json")...)
	require.NoError(t, json.Unmarshal([]byte(out), &p))
	require.Len(t, p.Elements, 1)

	r := command(t, "", append(flags, "resolve", "Other")...)
	require.Equal(t, 1, r.code)
	require.Equal(t, "rserpool: resolving Other: unknown pool handle\n", r.err)
}

// A served element leaves the pool when the command is stopped.
func TestServeLeavesThePool(t *testing.T) {
	flags := registrarAt(t)
	s, _ := serve(t, flags, "echo", "--pool", "P")
	ok(t, "", append(flags, "resolve", "P")...)
	res := s.stop()
	require.Equal(t, 0, res.code, res.err)
	require.Equal(t, 1, command(t, "", append(flags, "resolve", "P")...).code)
}

// With --exit-with-stdin a server ends with who started it.
func TestServeExitsWithStdin(t *testing.T) {
	flags := registrarAt(t)
	for _, args := range [][]string{
		append(flags, "serve", "echo", "--pool", "P", "--listen", "127.0.0.1@0", "--log", "off", "--exit-with-stdin"),
		{"registrar", "--listen", "127.0.0.1@0", "--profile", "fast", "--http", "off", "--log", "off", "--exit-with-stdin"},
	} {
		ok(t, "", args...) // at its end already
		in, keep := io.Pipe()
		time.AfterFunc(time.Second, func() { _ = keep.Close() })
		var out strings.Builder
		begin := time.Now()
		require.Equal(t, 0, run(t.Context(), args, in, &out, io.Discard))
		require.GreaterOrEqual(t, time.Since(begin), time.Second)
		require.Regexp(t, "^(ready|registered 0x.*)\n$", out.String())
	}
}

func TestCall(t *testing.T) {
	flags := registrarAt(t)
	serve(t, flags, "echo", "--pool", "Echo")
	serve(t, flags, "pingpong", "--pool", "PingPong")
	serve(t, flags, "daytime", "--pool", "Daytime")
	serve(t, flags, "discard", "--pool", "Discard")
	call := func(in string, args ...string) string {
		t.Helper()
		return ok(t, in, append(append([]string{"call"}, args...), flags...)...)
	}
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, "%d %s\n", i, strings.Repeat("x", i%700))
	}
	require.Equal(t, lines.String(), call(lines.String(), "Echo"))
	require.Equal(t, "one\n\nthree\n", call("one\n\nthree", "Echo"), "empty lines, and a last one without end")
	require.Equal(t, "1 hello\n2 world\n", call("hello\nworld\n", "PingPong", "--pingpong"))
	require.Regexp(t, `^[A-Z].*\d\n$`, call("", "Daytime"))
	require.Empty(t, call(lines.String(), "Discard", "--no-reply"))

	for name, tt := range map[string]struct{ in, args, text string }{
		"no pool":       {"x", "Nobody", "unknown pool handle"},
		"long line":     {strings.Repeat("x", maxLine+1), "Echo", "a line of more than"},
		"not a pong":    {"x\n", "Echo --pingpong", "not the Pong"},
		"never answers": {"x\n", "PingPong --timeout 2s", "answered none"}, // it aborts on what is no Ping
	} {
		r := command(t, tt.in, append(strings.Fields("call "+tt.args), flags...)...)
		require.Equal(t, 1, r.code, name)
		require.Contains(t, r.err, tt.text, name)
	}
}

// numbered answers each line with itself, and can be made to die on one.
type numbered struct {
	mu    sync.Mutex
	dieAt string
	asked map[string]int
}

func (n *numbered) ServeSession(ctx context.Context, s *poolelement.Session) {
	buf := make([]byte, 1<<16)
	for {
		m, err := s.Receive(ctx, buf)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.asked[string(m.Data)]++
		die := string(m.Data) == n.dieAt
		if die {
			n.dieAt = "" // once
		}
		n.mu.Unlock()
		if die {
			_ = s.Association().Abort("dies")
			return
		}
		m.Partial = false
		if s.Send(ctx, &m) != nil {
			return
		}
	}
}

// When an element dies, what it has not answered goes to the next one: every line is
// answered once, in order.
func TestCallFailsOver(t *testing.T) {
	flags := registrarAt(t)
	handlers := []*numbered{
		{dieAt: "300\n", asked: map[string]int{}}, {dieAt: "900\n", asked: map[string]int{}}, {asked: map[string]int{}},
	}
	for _, h := range handlers {
		element(t, flags, h)
	}
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintln(&lines, i)
	}
	require.Equal(t, lines.String(), ok(t, lines.String(), append(flags, "call", "P")...))
	asked := 0
	for _, h := range handlers {
		h.mu.Lock()
		asked += len(h.asked)
		h.mu.Unlock()
	}
	require.Greater(t, asked, 2000, "some lines met the end of an element")
}

// element runs an element of pool P with a handler.
func element(t *testing.T, flags []string, h poolelement.Handler) *poolelement.PoolElement {
	t.Helper()
	pe, err := poolelement.Listen(t.Context(), "P", &poolelement.Config{
		Registrars: []string{flags[1]}, Listen: "127.0.0.1@0", Profile: core.ProfileFast,
	})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = (&poolelement.Server{Handler: h}).Serve(context.Background(), pe) // until it is closed
	}()
	t.Cleanup(func() {
		_ = pe.Close()
		<-done
	})
	return pe
}

// An element that ends a session while nothing is under way is not replaced before there
// is something to do.
func TestCallWaitsForWork(t *testing.T) {
	flags := registrarAt(t)
	serve(t, flags, "daytime", "--pool", "P")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	in, feed := io.Pipe()
	time.AfterFunc(time.Second, func() { _ = feed.Close() })
	var out strings.Builder
	code := run(ctx, append(flags, "call", "P"), in, &out, io.Discard)
	require.Equal(t, 0, code)
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "asked once: %s", out.String())
}

// RFC 5352 §3.3: users may come over TCP.
func TestResolveOverTCP(t *testing.T) {
	udp, port := udpPort(t), tcpPort(t)
	spawnRegistrar(t, "--listen", fmt.Sprintf("127.0.0.1@%d", udp), "--http", "off", "--asap-tcp", "127.0.0.1:"+port)
	serve(t, asapOn(udp), "echo", "--pool", "Echo", "--id", "7")
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = c.Write((&asap.HandleResolution{Handle: "Echo"}).AppendTo(nil)) // a multiple of four bytes
	require.NoError(t, err)
	b := make([]byte, 1000)
	n, err := io.ReadAtLeast(c, b, 4)
	require.NoError(t, err)
	_, err = io.ReadFull(c, b[n:max(n, (int(b[2])<<8|int(b[3])+3)&^3)])
	require.NoError(t, err)
	m, err := asap.Decode(b[:int(b[2])<<8|int(b[3])])
	require.NoError(t, err)
	require.EqualValues(t, 7, m.(*asap.HandleResolutionResponse).Elements[0].ID)
}
