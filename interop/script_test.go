//go:build interop

package interop

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// meetScript sets up an association between a node of ours, in the role given, and
// peer.py in a guest, which then carries out the actions, options before them. Carriers, if not nil, are
// what our stack runs on.
func meetScript(ctx context.Context, t testing.TB, role string, n node, k machine, carriers []carrier.Carrier,
	cfg *sctp.Config, actions ...string) (*sctp.Association, *peer) {
	t.Helper()
	if carriers == nil {
		carriers = n.sockets(t, n.addr())
	}
	s := stackOn(t, carriers)
	port := newPort()
	cmd := []string{bin("peer.py"), "--events", "--bind", k.addr()}
	for len(actions) > 0 && strings.HasPrefix(actions[0], "--") { // those without a value
		cmd, actions = append(cmd, actions[0]), actions[1:]
	}
	var a *sctp.Association
	var p *peer
	var err error
	if role == client {
		p = k.start(t, "peer", append(append(cmd, "--port", strconv.Itoa(port), "listen"), actions...)...)
		p.await(t, "listening", 10*time.Second)
		a, err = s.Dial(ctx, &sctp.Addr{IPs: parse([]string{k.addr()}), Port: uint16(port)}, cfg)
	} else {
		var l *sctp.Listener
		l, err = s.Listen(&sctp.Addr{Port: uint16(port)}, cfg)
		require.NoError(t, err)
		p = k.start(t, "peer", append(append(cmd, "--to", n.addr(), "--dport", strconv.Itoa(port), "connect"), actions...)...)
		a, err = l.AcceptSCTP(ctx)
		p.await(t, "connected", 10*time.Second)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a, p
}

// requireEOF requires that the association ends gracefully and that nothing more
// comes before.
func requireEOF(ctx context.Context, t testing.TB, a *sctp.Association) {
	t.Helper()
	_, err := a.Receive(ctx, make([]byte, 1<<16))
	require.ErrorIs(t, err, io.EOF)
}
