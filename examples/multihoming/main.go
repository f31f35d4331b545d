// Multihoming opens an association between two ends with two addresses each, takes
// one address away in the middle of a transfer and gives it back.
//
//	go run ./examples/multihoming
//
// Both ends run in this process, on 127.0.0.1 and 127.0.0.2 (macOS needs
// `ifconfig lo0 alias 127.0.0.2` first). Every message arrives, in order; the lines
// with an address are what the client learns about its paths.
package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

var (
	first  = netip.MustParseAddr("127.0.0.1")
	second = netip.MustParseAddr("127.0.0.2")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// A stack with several addresses tells all of them to its peers.
	home := &sctp.StackConfig{ListenAddrs: []netip.Addr{first, second}}
	server, err := sctp.NewStack(home)
	if err != nil {
		return err
	}
	defer server.Close()
	client, err := sctp.NewStack(home)
	if err != nil {
		return err
	}
	defer client.Close()
	l, err := server.Listen(&sctp.Addr{Port: 5000}, nil)
	if err != nil {
		return err
	}
	// QuickFailover leaves a path after one timeout (RFC 7829) instead of six.
	a, err := client.Dial(ctx, &sctp.Addr{IPs: []netip.Addr{first}, Port: 5000, UDPPort: server.UDPPort()}, &sctp.Config{
		QuickFailover: true, RTOMin: 200 * time.Millisecond, HeartbeatInterval: 300 * time.Millisecond, Events: sctp.EventPath,
	})
	if err != nil {
		return err
	}
	b, err := l.AcceptSCTP(ctx)
	if err != nil {
		return err
	}
	received := make(chan int)
	go func() { received <- count(ctx, b) }()
	paths := make(chan sctp.PathChange, 16)
	go watch(ctx, a, paths)

	tell := func(c sctp.PathChange) {
		primary := ""
		if c.Primary {
			primary = ", the primary path"
		}
		fmt.Fprintf(out, "%v is %v%s\n", c.Path.Addr(), c.State, primary)
	}
	sent := 0
	// until sends messages until a path is in a state.
	until := func(path netip.Addr, state sctp.PathState) error {
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick:
				if err := a.Send(ctx, &sctp.Message{Data: fmt.Appendf(nil, "message %d", sent)}); err != nil {
					return err
				}
				sent++
			case c := <-paths:
				tell(c)
				if c.Path.Addr() == path && c.State == state {
					return nil
				}
			}
		}
	}
	if err := until(second, sctp.PathActive); err != nil { // a heartbeat has verified it
		return err
	}
	fmt.Fprintf(out, "the server loses %v\n", first)
	if err := server.RemoveLocalAddr(first); err != nil {
		return err
	}
	if err := until(first, sctp.PathInactive); err != nil {
		return err
	}
	fmt.Fprintf(out, "the server gets %v back\n", first)
	if err := server.AddLocalAddr(first); err != nil {
		return err
	}
	if err := until(first, sctp.PathActive); err != nil {
		return err
	}
	if err := a.SetPrimary(second); err != nil { // the user chooses the other one
		return err
	}
	tell(<-paths)
	if err := a.Close(); err != nil {
		return err
	}
	fmt.Fprintln(out, "every message arrived:", <-received == sent)
	return nil
}

// count receives messages, which must come in order, until the end.
func count(ctx context.Context, a *sctp.Association) int {
	defer a.Close()
	buf := make([]byte, 100)
	for n := 0; ; n++ {
		m, err := a.Receive(ctx, buf)
		if err != nil || string(m.Data) != fmt.Sprintf("message %d", n) {
			return n
		}
	}
}

// watch hands on what happens to the paths.
func watch(ctx context.Context, a *sctp.Association, paths chan<- sctp.PathChange) {
	for {
		ev, err := a.NextEvent(ctx)
		if err != nil {
			return
		}
		if c, ok := ev.(sctp.PathChange); ok {
			paths <- c
		}
	}
}
