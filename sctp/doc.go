// Package sctp is the Stream Control Transmission Protocol (RFC 9260) in Go: a
// connection-oriented transport whose associations carry messages, on many
// streams, between endpoints that may have several addresses. Packets travel in
// UDP (RFC 6951), so it needs neither a kernel with SCTP nor privileges.
//
//	l, err := sctp.Listen("127.0.0.1:5000", nil)
//	…
//	a, err := sctp.Dial(ctx, "127.0.0.1:5000", nil)
//	if err != nil {
//		return err
//	}
//	defer a.Close()
//	err = a.Send(ctx, &sctp.Message{Stream: 1, Data: []byte("hello")})
//	reply, err := a.ReceiveMessage(ctx, nil, 64<<10)
//
// # Tour
//
// A [Stack] owns the UDP sockets and all that lives on them: listeners, each on an
// SCTP port, and associations. [Dial] and [Listen] open a stack of their own;
// programs with several associations make one with [NewStack].
//
// A [Listener] accepts associations, and is a net.Listener.
//
// An [Association] can be used in three ways:
//
//   - By messages: [Association.Send], [Association.Receive] and
//     [Association.ReceiveMessage] work on all streams at once.
//   - By streams: [Association.OpenStream] and [Association.AcceptStream] give a
//     [Stream], which has messages of its own order and is a net.Conn.
//   - As one connection: [Association.Conn] is a net.Conn on stream 0, which is
//     also what [Listener.Accept] returns; net/http runs over it unchanged.
//
// A message need not fit memory at either end: with [Message].Partial it is sent and
// received piece by piece.
//
// An association ends with [Association.Close] (graceful within Config.Linger, then
// by an abort), [Association.Shutdown] (graceful, as long as it takes) or
// [Association.Abort]. There is no half-closed state: once either end has begun a
// shutdown, neither can send (RFC 9260 §9).
//
// Calls that may block take a context, or observe the deadlines of net.Conn. Data
// that is there beats a context that has ended. Close unblocks everything.
//
// [Association.NextEvent] tells about path changes, restarts and other events to who
// subscribes in [Config]. Who does not still notices all that matters: the errors of
// calls are io.EOF after a graceful shutdown, else [ErrUnreachable],
// *[AbortError] or [ErrRestarted], and errors.Is with [ErrReset] covers the ways in
// which a peer resets an association. Messages that were not delivered come back in
// [SendFailed]. Errors about arguments name the value and the limit:
// *[MessageSizeError], *[StreamError], *[PathError], *[ParameterError].
//
// A [Poller] receives from many associations with a few goroutines, for servers
// with thousands of clients.
//
// # Addresses
//
// The text form of an endpoint is IP[/IP…]:PORT[@UDPPORT], see [Addr]. Processes on
// one host may use the same SCTP port if their stacks have different UDP ports.
//
// # Several addresses
//
// A stack with several addresses (StackConfig.ListenAddrs or AllAddrs) tells its peers
// those that they may be able to reach. Each address of a peer is a path with heartbeats,
// a congestion window and a source address of its own; data takes the primary path, and
// another one while that does not work. [Association.Paths] shows them, a [PathChange]
// tells what happens to them, [Association.SetPrimary], [Association.SetPathSettings]
// and [Association.SetParameters] change what matters, and Config.QuickFailover leaves a
// path after one timeout (RFC 7829). [Stack.AddLocalAddr] and [Stack.RemoveLocalAddr] are
// for addresses that come and go.
//
// # Resources
//
// A stack runs one goroutine per UDP socket. An association has no timer of its own, no
// goroutine and little memory while it is idle; a goroutine that waits in Receive takes
// more, see [Poller]. What peers can make a stack keep is
// bounded by StackConfig.MaxAssociations, Config.Backlog and the buffer sizes in
// Config; a handshake that is not complete costs nothing (RFC 9260 §5.1.3).
//
// # Watching it
//
// [Stack.Stats] and [Stack.Associations] are the counters and tables of RFC 3873.
// StackConfig.Logger gets what happens to associations, StackConfig.Trace all that
// happens inside of them as JSON lines, and StackConfig.Capture every packet, for a file
// that Wireshark reads (package sctp/capture). None of them makes the stack wait, and
// logs, traces and counters hold nothing secret.
//
// # What it does not do
//
// Dynamic address reconfiguration (RFC 5061), authentication of chunks (RFC 4895),
// partial reliability (RFC 3758), stream reconfiguration (RFC 6525) and message
// interleaving (RFC 8260) are not implemented; peers that offer them get the answers
// that RFC 9260 wants. Nothing is encrypted: run TLS over a Conn or a
// Stream where that matters.
//
// # Map
//
//   - sctp/wire: packets, chunks, parameters and error causes as bytes
//   - sctp/core: the protocol as a state machine without I/O
//   - sctp/congestion: congestion control
//   - sctp/capture: packets to pcapng files
//   - sctp/carrier, with udpencap, rawip and memory below it: how packets travel
package sctp
