package sctp_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/congestion"
)

// none is a context that somebody forgot.
var none context.Context

// badCall is a call with bad input.
type badCall struct {
	method string // of the type under test
	what   string
	do     func() error
	is     error  // what errors.Is finds; nil: the call succeeds
	text   string // the message names the value and the limit
}

// run makes the calls and checks that every exported method is among them.
func run(t *testing.T, typ reflect.Type, calls ...badCall) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range calls {
		seen[c.method] = true
		err := c.do()
		if c.is == nil {
			require.NoError(t, err, "%s: %s", c.method, c.what)
			continue
		}
		require.Error(t, err, "%s: %s", c.method, c.what)
		require.ErrorIs(t, matched{err}, c.is, "%s: %s", c.method, c.what)
		if c.text != "" {
			require.EqualError(t, err, c.text, "%s: %s", c.method, c.what)
		}
	}
	for i := range typ.NumMethod() {
		require.True(t, seen[typ.Method(i).Name], "no bad input for %s", typ.Method(i).Name)
	}
}

// just makes a call of a method that returns no error.
func just(f func()) func() error { return func() error { f(); return nil } }

// second is the error of a call with two results.
func second[T any](_ T, err error) error { return err }

// calls is a call of every method of an association with harmless arguments, and
// what it should return once the association has ended: end where only Close ends
// anything, sending where data is sent or settings are changed.
func calls(a *sctp.Association, end, receiving, sending, shutdown error) []badCall {
	ctx, ip, buf := context.Background(), serverIP, make([]byte, 8)
	return []badCall{
		{"Abort", "", func() error { return a.Abort("again") }, nil, ""},
		{"AcceptStream", "", func() error { return second(a.AcceptStream(ctx)) }, receiving, ""},
		{"Buffered", "", just(func() { a.Buffered() }), nil, ""},
		{"CancelMessage", "", func() error { return a.CancelMessage(0) }, sending, ""},
		{"Conn", "", just(func() { a.Conn() }), nil, ""},
		{"InStreams", "", just(func() { a.InStreams() }), nil, ""},
		{"Info", "", just(func() { a.Info() }), nil, ""},
		{"LocalAddr", "", just(func() { a.LocalAddr() }), nil, ""},
		{"NextEvent", "", func() error { return second(a.NextEvent(ctx)) }, sctp.ErrNoEvents, ""},
		{"OpenStream", "", func() error { return second(a.OpenStream()) }, sending, ""},
		{"OutStreams", "", just(func() { a.OutStreams() }), nil, ""},
		{"Parameters", "", just(func() { a.Parameters() }), nil, ""},
		{"PathSettings", "", func() error { return second(a.PathSettings(ip)) }, sending, ""},
		{"Paths", "", just(func() { a.Paths() }), nil, ""},
		{"Receive", "", func() error { return second(a.Receive(ctx, buf)) }, receiving, ""},
		{"ReceiveMessage", "", func() error { return second(a.ReceiveMessage(ctx, buf, 8)) }, receiving, ""},
		{"TryReceiveMessage", "", func() error { return second(a.TryReceiveMessage(buf, 8)) }, receiving, ""},
		{"RemoteAddr", "", just(func() { a.RemoteAddr() }), nil, ""},
		{"RequestHeartbeat", "", func() error { return a.RequestHeartbeat(ip) }, sending, ""},
		{"Send", "", func() error { return a.Send(ctx, text("x")) }, sending, ""},
		{"SetParameters", "", func() error { return a.SetParameters(a.Parameters()) }, sending, ""},
		{"SetPathSettings", "", func() error { return a.SetPathSettings(ip, sctp.PathSettings{}) }, sending, ""},
		{"SetPrimary", "", func() error { return a.SetPrimary(ip) }, sending, ""},
		{"SetUDPPort", "", func() error { return a.SetUDPPort(ip, 1) }, sending, ""},
		{"Shutdown", "", func() error { return a.Shutdown(ctx) }, shutdown, ""},
		{"Stats", "", just(func() { a.Stats() }), nil, ""},
		{"Stream", "", func() error { return second(a.Stream(0)) }, end, ""},
		{"TrySend", "", func() error { return a.TrySend(text("x")) }, sending, ""},
		{"Close", "", a.Close, nil, ""},
	}
}

func TestCallsOnAnAssociationThatEnded(t *testing.T) {
	typ := reflect.TypeFor[*sctp.Association]()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		require.NoError(t, c.Close())
		run(t, typ, calls(c, net.ErrClosed, net.ErrClosed, net.ErrClosed, nil)...)
		time.Sleep(time.Second)
		run(t, typ, calls(s, nil, io.EOF, sctp.ErrShutdown, nil)...)

		c, s = w.pair()
		require.NoError(t, c.Abort("no reason"))
		time.Sleep(time.Second)
		abort := &sctp.AbortError{}
		for a, is := range map[*sctp.Association]error{c: errLocalAbort, s: sctp.ErrReset} {
			for _, call := range calls(a, nil, nil, nil, nil) {
				switch err := call.do(); call.method {
				case "Receive", "ReceiveMessage", "AcceptStream", "Send", "TrySend", "OpenStream", "CancelMessage", "Shutdown",
					"SetPrimary", "SetPathSettings", "PathSettings", "RequestHeartbeat", "SetParameters", "SetUDPPort":
					require.ErrorAs(t, err, &abort, call.method)
					require.Equal(t, is == errLocalAbort, abort.Local)
					require.Equal(t, "no reason", string(abort.Reason()))
				}
			}
		}
	})
}

var errLocalAbort = errors.New("an abort of this end")

func TestBadInputToAnAssociation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientConfig: &sctp.Config{OutStreams: 4, MaxMessageSize: 1000, SendBuffer: 4000},
			serverConfig: &sctp.Config{MaxInStreams: 4, OutStreams: 2},
		})
		c, s := w.pair()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		ctx, buf := t.Context(), make([]byte, 8)
		big, nothing := &sctp.Message{Data: make([]byte, 1001)}, &sctp.Message{}
		strange := netip.MustParseAddr("203.0.113.9")
		strangeText := "sctp: 203.0.113.9 is not an address of the peer"
		bad := sctp.Parameters{}
		late := func(set func(time.Time) error) func() error { return func() error { return set(time.Now().Add(-1)) } }
		st, err := c.Stream(3)
		require.NoError(t, err)
		sends := func(method string, send func(m *sctp.Message) error) []badCall {
			return []badCall{
				{method, "nil", func() error { return send(nil) }, sctp.ErrEmptyMessage, "sctp: empty message"},
				{method, "empty", func() error { return send(nothing) }, sctp.ErrEmptyMessage, "sctp: empty message"},
				{method, "empty piece", func() error { return send(&sctp.Message{Partial: true}) }, sctp.ErrEmptyMessage, ""},
				{method, "too large", func() error { return send(big) }, sctp.ErrMessageTooLarge, "sctp: message of 1001 bytes, the limit is 1000"},
				{method, "life time", func() error { return send(&sctp.Message{Lifetime: -time.Second, Data: buf}) }, parameter("Message.Lifetime"),
					"sctp: Message.Lifetime is -1s, not from 0s to 2562047h47m16.854775807s"},
				{method, "path", func() error { return send(&sctp.Message{Path: strange, Data: buf}) }, sctp.ErrNoPath, strangeText},
			}
		}
		stream := func(m *sctp.Message) error { return c.Send(ctx, m) }
		all := append(sends("Send", stream), sends("TrySend", c.TrySend)...)
		all = append(all, []badCall{
			{"Send", "stream", func() error { return c.Send(ctx, &sctp.Message{Stream: 4, Data: buf}) }, sctp.ErrInvalidStream, "sctp: invalid stream 4 of 4"},
			{"Send", "no context", func() error { return c.Send(none, text("first")) }, nil, ""},
			{"TrySend", "stream", func() error { return c.TrySend(&sctp.Message{Stream: 65535, Data: buf}) }, sctp.ErrInvalidStream, "sctp: invalid stream 65535 of 4"},
			{"Stream", "none", func() error { return second(c.Stream(4)) }, sctp.ErrInvalidStream, "sctp: invalid stream 4 of 4"},
			{"OpenStream", "the last", func() error { return second(s.OpenStream()) }, nil, ""},
			{"OpenStream", "one more", func() error { return second(s.OpenStream()) }, sctp.ErrNoStream, ""},
			{"CancelMessage", "none", func() error { return c.CancelMessage(77) }, nil, ""},
			{"Receive", "no room", func() error { return second(c.Receive(ctx, nil)) }, io.ErrShortBuffer, ""},
			{"Receive", "cancelled", func() error { return second(c.Receive(over, buf)) }, context.Canceled, ""},
			{"ReceiveMessage", "cancelled", func() error { return second(c.ReceiveMessage(over, nil, 1)) }, context.Canceled, ""},
			{"TryReceiveMessage", "", func() error { return second(c.TryReceiveMessage(nil, 1)) }, sctp.ErrWouldBlock, ""},
			{"AcceptStream", "cancelled", func() error { return second(c.AcceptStream(over)) }, context.Canceled, ""},
			{"NextEvent", "not subscribed", func() error { return second(c.NextEvent(ctx)) }, sctp.ErrNoEvents, ""},
			{"SetPrimary", "stranger", func() error { return c.SetPrimary(strange) }, sctp.ErrNoPath, strangeText},
			{"SetPrimary", "nobody", func() error { return c.SetPrimary(netip.Addr{}) }, sctp.ErrNoPath, ""},
			{"RequestHeartbeat", "stranger", func() error { return c.RequestHeartbeat(strange) }, sctp.ErrNoPath, strangeText},
			{"PathSettings", "stranger", func() error { return second(c.PathSettings(strange)) }, sctp.ErrNoPath, strangeText},
			{"SetPathSettings", "stranger", func() error { return c.SetPathSettings(strange, sctp.PathSettings{}) }, sctp.ErrNoPath, strangeText},
			{"SetPathSettings", "value", func() error { return c.SetPathSettings(serverIP, sctp.PathSettings{MaxRetrans: -1}) }, parameter("Path.Max.Retrans"), ""},
			{"SetParameters", "values", func() error { return c.SetParameters(bad) }, parameter("RTO.Max"), ""},
			{"SetUDPPort", "stranger", func() error { return c.SetUDPPort(strange, 1) }, sctp.ErrNoPath, strangeText},
			{"SetUDPPort", "value", func() error { return c.SetUDPPort(serverIP, 0) }, parameter("UDP port"), ""},
		}...)
		for _, m := range []string{"Buffered", "Conn", "InStreams", "Info", "LocalAddr", "OutStreams", "Parameters", "Paths", "RemoteAddr", "Stats"} {
			all = append(all, badCall{m, "has no input", just(func() {}), nil, ""})
		}
		// The streams.
		write := func(m *sctp.Message) error { return st.WriteMessage(ctx, m) }
		onStream := append(sends("WriteMessage", write), []badCall{
			{"WriteMessage", "no context", func() error { return st.WriteMessage(none, &sctp.Message{Stream: 99, Data: []byte("second")}) }, nil, ""},
			{"Write", "nothing", func() error { return second(st.Write(nil)) }, nil, ""},
			{"Read", "no room", func() error { return second(st.Read(nil)) }, nil, ""},
			{"ReadMessage", "no room", func() error { return second(st.ReadMessage(ctx, nil)) }, io.ErrShortBuffer, ""},
			{"ReadMessage", "cancelled", func() error { return second(st.ReadMessage(over, buf)) }, context.Canceled, ""},
			{"SetReadDeadline", "past", late(st.SetReadDeadline), nil, ""},
			{"Read", "late", func() error { return second(st.Read(buf)) }, os.ErrDeadlineExceeded, ""},
			{"SetReadDeadline", "none", func() error { return st.SetReadDeadline(time.Time{}) }, nil, ""},
			{"SetWriteDeadline", "past", late(st.SetWriteDeadline), nil, ""},
			{"Write", "late", func() error { return second(st.Write(buf)) }, os.ErrDeadlineExceeded, ""},
			{"Write", "late and nothing", func() error { return second(st.Write(nil)) }, os.ErrDeadlineExceeded, ""},
			{"WriteMessage", "late", func() error { return st.WriteMessage(ctx, text("x")) }, os.ErrDeadlineExceeded, ""},
			{"SetDeadline", "past", late(st.SetDeadline), nil, ""},
			{"ReadMessage", "late", func() error { return second(st.ReadMessage(ctx, buf)) }, os.ErrDeadlineExceeded, ""},
			{"ID", "has no input", just(func() {}), nil, ""},
			{"Association", "has no input", just(func() {}), nil, ""},
			{"LocalAddr", "has no input", just(func() {}), nil, ""},
			{"RemoteAddr", "has no input", just(func() {}), nil, ""},
			{"Close", "", st.Close, nil, ""},
			{"Close", "again", st.Close, nil, ""},
			{"Read", "closed", func() error { return second(st.Read(buf)) }, net.ErrClosed, ""},
			{"ReadMessage", "closed", func() error { return second(st.ReadMessage(none, buf)) }, net.ErrClosed, ""},
			{"Write", "closed", func() error { return second(st.Write(buf)) }, net.ErrClosed, ""},
			{"WriteMessage", "closed", func() error { return st.WriteMessage(ctx, text("x")) }, net.ErrClosed, ""},
			{"SetDeadline", "closed", late(st.SetDeadline), net.ErrClosed, ""},
			{"SetReadDeadline", "closed", late(st.SetReadDeadline), net.ErrClosed, ""},
			{"SetWriteDeadline", "closed", late(st.SetWriteDeadline), net.ErrClosed, ""},
		}...)
		run(t, reflect.TypeFor[*sctp.Stream](), onStream...)
		all = append(all, []badCall{
			{"Receive", "nothing of what was refused", func() error {
				require.Equal(t, "second", string(receive(t, s).Data))
				require.Equal(t, "first", string(receive(t, s).Data))
				time.Sleep(time.Second)
				require.EqualValues(t, 2, s.Stats().DataIn)
				return second(s.Receive(over, buf))
			}, context.Canceled, ""},
			{"Info", "the network goes away", just(w.cut), nil, ""},
			{"TrySend", "full", func() error {
				var err error
				for err == nil {
					err = c.TrySend(&sctp.Message{Data: make([]byte, 1000)})
				}
				return err
			}, sctp.ErrWouldBlock, ""},
			{"Send", "full", func() error { return c.Send(over, &sctp.Message{Data: make([]byte, 1000)}) }, context.Canceled, ""},
			{"Shutdown", "cancelled", func() error { return c.Shutdown(over) }, context.Canceled, ""},
			{"Send", "shutting down", func() error { return c.Send(ctx, text("x")) }, sctp.ErrShutdown, ""},
			{"Abort", "a long reason", func() error { return c.Abort(string(make([]byte, 100_000))) }, nil, ""},
			{"Close", "", c.Close, nil, ""},
		}...)
		run(t, reflect.TypeFor[*sctp.Association](), all...)
	})
}

// parameter matches a *sctp.ParameterError about a parameter.
func parameter(name string) error { return &parameterIs{name} }

type parameterIs struct{ name string }

func (p *parameterIs) Error() string { return "about " + p.name }

func TestBadInputToStacksAndListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		l := w.listener
		over, cancel := context.WithCancel(t.Context())
		cancel()
		ctx := t.Context()
		dial := func(a *sctp.Addr, cfg *sctp.Config) func() error {
			return func() error { return second(w.client.Dial(ctx, a, cfg)) }
		}
		listen := func(a *sctp.Addr, cfg *sctp.Config) func() error {
			return func() error { return second(w.server.Listen(a, cfg)) }
		}
		to := func(ip string) *sctp.Addr { return &sctp.Addr{IPs: []netip.Addr{netip.MustParseAddr(ip)}, Port: 5000} }
		onStack := []badCall{
			{"Dial", "nobody", dial(nil, nil), errNoAddr, ""},
			{"Dial", "no address", dial(&sctp.Addr{Port: 5}, nil), errNoAddr, ""},
			{"Dial", "no port", dial(&sctp.Addr{IPs: []netip.Addr{serverIP}}, nil), errNoAddr, ""},
			{"Dial", "multicast", dial(to("224.0.0.1"), nil), errNoAddr, "sctp: dial 224.0.0.1:5000: address 224.0.0.1: not a unicast address"},
			{"Dial", "unspecified", dial(to("::"), nil), errNoAddr, ""},
			{"Dial", "cancelled", func() error { return second(w.client.Dial(over, w.addr(), nil)) }, context.Canceled, ""},
			{"Listen", "taken", listen(&sctp.Addr{Port: testPort}, nil), sctp.ErrPortInUse, ""},
			{"Listen", "elsewhere", listen(to("203.0.113.9"), nil), sctp.ErrNotLocal, ""},
			{"AddLocalAddr", "zero", func() error { return w.client.AddLocalAddr(netip.Addr{}) }, sctp.ErrNotLocal, "sctp: add address invalid IP: not an address of the stack"},
			{"AddLocalAddr", "multicast", func() error { return w.client.AddLocalAddr(netip.MustParseAddr("ff02::1")) }, sctp.ErrNotLocal, ""},
			{"AddLocalAddr", "of a stack with carriers", func() error { return w.client.AddLocalAddr(serverIP) }, sctp.ErrNotLocal, ""},
			{"AddLocalAddr", "there already", func() error { return w.client.AddLocalAddr(clientIP) }, nil, ""},
			{"RemoveLocalAddr", "elsewhere", func() error { return w.client.RemoveLocalAddr(serverIP) }, sctp.ErrNotLocal, ""},
			{"RemoveLocalAddr", "the last", func() error { return w.client.RemoveLocalAddr(clientIP) }, sctp.ErrLastAddr, "sctp: remove address 192.0.2.1: the only address of the stack"},
			{"AddCarrier", "nil", func() error { return w.client.AddCarrier(nil) }, sctp.ErrNotLocal, ""},
			{"RefreshLocalAddrs", "carriers tell nothing", func() error { _, _, err := w.client.RefreshLocalAddrs(); return err }, nil, ""},
			{"Listen", "nowhere", func() error { return second(w.server.Listen(nil, nil)) }, nil, ""},
		}
		for name, c := range map[string]sctp.Config{
			"RTO.Initial": {RTOInitial: -1}, "RTO.Min": {RTOMin: -1}, "RTO.Max": {RTOMin: time.Minute, RTOMax: time.Second},
			"SACK.Delay": {SackDelay: time.Second}, "SACK frequency": {SackFrequency: -1}, "Valid.Cookie.Life": {CookieLife: time.Hour},
			"HB.interval": {HeartbeatInterval: 48 * time.Hour}, "HB.Max.Burst": {HeartbeatMaxBurst: -1},
			"RecvBuffer": {RecvBuffer: 4095}, "SendBuffer": {SendBuffer: -1}, "MaxMessageSize": {MaxMessageSize: 1 << 29}, "MTU": {MTU: 575},
			"Backlog": {Backlog: -1}, "EventQueue": {EventQueue: -1}, "Path.Max.Retrans": {PathMaxRetrans: 1 << 25},
			"Association.Max.Retrans": {AssociationMaxRetrans: 1 << 25}, "PotentiallyFailed.Max.Retrans": {QuickFailover: true, PFMaxRetrans: -1},
			"Primary.Switchover.Max.Retrans": {PrimarySwitchover: true, PrimaryMaxRetrans: 1},
		} {
			onStack = append(onStack,
				badCall{"Dial", name, dial(w.addr(), &c), parameter(name), ""},
				badCall{"Listen", name, listen(nil, &c), parameter(name), ""})
		}
		for _, m := range []string{"Associations", "LocalAddrs", "Stats", "UDPPort"} {
			onStack = append(onStack, badCall{m, "has no input", just(func() {}), nil, ""})
		}
		onListener := []badCall{
			{"AcceptSCTP", "what is there beats a context", func() error { return second(l.AcceptSCTP(over)) }, nil, ""},
			{"AcceptSCTP", "cancelled", func() error { return second(l.AcceptSCTP(over)) }, context.Canceled, ""},
			{"Addr", "has no input", just(func() {}), nil, ""},
			{"Close", "", l.Close, nil, ""},
			{"Close", "again", l.Close, nil, ""},
			{"AcceptSCTP", "closed", func() error { return second(l.AcceptSCTP(none)) }, net.ErrClosed, "sctp: accept 192.0.2.2:5000: use of closed network connection"},
			{"Accept", "closed", func() error { return second(l.Accept()) }, net.ErrClosed, ""},
			{"Addr", "closed", just(func() { l.Addr() }), nil, ""},
		}
		// Whoever forgets the controller gets the standard one.
		a, err := w.client.Dial(none, w.addr(), &sctp.Config{Congestion: func(int, bool) congestion.Controller { return nil }})
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, text("x")))
		require.NoError(t, a.Close())
		onStack = append(onStack, []badCall{
			{"Close", "", w.client.Close, nil, ""},
			{"Close", "again", w.client.Close, nil, ""},
			{"Dial", "closed", dial(w.addr(), nil), net.ErrClosed, ""},
			{"Listen", "closed", func() error { return second(w.client.Listen(nil, nil)) }, net.ErrClosed, ""},
			{"Stats", "closed", just(func() { w.client.Stats() }), nil, ""},
			{"AddLocalAddr", "closed", func() error { return w.client.AddLocalAddr(serverIP) }, net.ErrClosed, ""},
			{"RemoveLocalAddr", "closed", func() error { return w.client.RemoveLocalAddr(clientIP) }, net.ErrClosed, ""},
			{"RefreshLocalAddrs", "closed", func() error { _, _, err := w.client.RefreshLocalAddrs(); return err }, nil, ""},
		}...)
		run(t, reflect.TypeFor[*sctp.Stack](), onStack...)
		run(t, reflect.TypeFor[*sctp.Listener](), onListener...)
	})
}

// errNoAddr matches a *net.AddrError.
var errNoAddr = errors.New("a *net.AddrError")

func TestBadInputToFunctions(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]sctp.StackConfig{
		"UDPRecvBuffer": {UDPRecvBuffer: -1}, "UDPSendBuffer": {UDPSendBuffer: -1}, "MaxAssociations": {MaxAssociations: -1},
		"Carriers[0]": {Carriers: []carrier.Carrier{nil}},
	} {
		_, err := sctp.NewStack(&c)
		require.ErrorIs(t, matched{err}, parameter(name))
		var op *sctp.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "listen", op.Op)
	}
	for _, ip := range []netip.Addr{{}, netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("255.255.255.255")} {
		_, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{ip}})
		require.ErrorIs(t, matched{err}, errNoAddr)
	}
	for _, s := range []string{"", "no such host.invalid:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:5@", "127.0.0.1:99999", "[::1:5", "/:5"} {
		_, err := sctp.Dial(over, s, nil)
		require.Error(t, err, "%q", s)
		require.Contains(t, err.Error(), s)
		_, err = sctp.ParseAddr(s)
		require.ErrorContains(t, err, s)
		_, err = sctp.ResolveAddr(over, s)
		require.ErrorContains(t, err, s)
	}
	trace := sctp.NewJSONTrace(nil, &sctp.JSONTraceOptions{Buffer: -1})
	s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Trace: trace})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	run(t, reflect.TypeFor[*sctp.JSONTrace](),
		badCall{"Dropped", "has no input", just(func() { trace.Dropped() }), nil, ""},
		badCall{"Close", "", trace.Close, nil, ""}, badCall{"Close", "again", trace.Close, nil, ""})
	for _, pmdcs := range []int{-1, 0, 1, math.MaxInt32} {
		for _, algorithm := range []congestion.Algorithm{sctp.Reno, sctp.Cubic} {
			require.Positive(t, algorithm(pmdcs, true).Window(), pmdcs)
		}
	}
	_, err = sctp.Listen("[::1:5", nil)
	require.ErrorContains(t, err, "[::1:5")
	_, err = sctp.ParseListenAddr("x:5")
	require.ErrorContains(t, err, "x:5")
	_, err = sctp.ResolveAddr(none, "127.0.0.1:5")
	require.NoError(t, err)
	_, err = sctp.Dial(over, "127.0.0.1:5", nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = sctp.Listen("127.0.0.1:5@0", &sctp.Config{MTU: math.MaxInt32})
	require.ErrorIs(t, matched{err}, parameter("MTU"))
	require.EqualError(t, err, "sctp: listen :5@0: MTU is 2147483647, not from 576 to 65535")
}

// matched lets errors.Is find what parameter and errNoAddr stand for.
type matched struct{ error }

func (m matched) Is(target error) bool {
	var p *sctp.ParameterError
	var a *net.AddrError
	switch want := target.(type) {
	case *parameterIs:
		return errors.As(m.error, &p) && p.Name == want.name
	}
	return target == errNoAddr && errors.As(m.error, &a)
}

func (m matched) Unwrap() error { return m.error }
