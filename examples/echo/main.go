// Echo sends lines to a server that returns them, over SCTP.
//
//	go run ./examples/echo                              # both ends, on loopback
//	go run ./examples/echo server 192.0.2.1:7           # LISTEN address
//	go run ./examples/echo client 192.0.2.1:7 some words
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"

	"github.com/rserpool/rserpool/sctp"
)

const maxMessage = 1 << 20 // bytes

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "server":
		l, err := sctp.Listen(args[1], nil)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "listening on", l.Addr())
		return serve(ctx, l)
	case len(args) >= 2 && args[0] == "client":
		return talk(ctx, out, args[1], args[2:])
	case len(args) == 0:
		return demo(ctx, out)
	}
	return errors.New("usage: echo [server LISTEN | client ADDRESS [WORD]...]")
}

// demo runs both ends in one process.
func demo(ctx context.Context, out io.Writer) error {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() { _ = serve(ctx, l) }() // it ends with the listener
	return talk(ctx, out, l.Addr().String(), []string{"messages", "keep", "their", "limits"})
}

// serve accepts associations until ctx ends.
func serve(ctx context.Context, l *sctp.Listener) error {
	defer l.Close()
	for {
		a, err := l.AcceptSCTP(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		go echo(ctx, a)
	}
}

// echo returns each message on the stream it came on.
func echo(ctx context.Context, a *sctp.Association) {
	defer a.Close()
	var buf []byte
	for {
		m, err := a.ReceiveMessage(ctx, buf, maxMessage)
		if err != nil {
			return // io.EOF: the client has shut the association down
		}
		if a.Send(ctx, &m) != nil {
			return
		}
		buf = m.Data
	}
}

// talk sends each word as a message, or standard input if there is none, and prints
// what comes back.
func talk(ctx context.Context, out io.Writer, address string, words []string) error {
	a, err := sctp.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer a.Close()
	if len(words) == 0 {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		words = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	for _, w := range words {
		if err := a.Send(ctx, &sctp.Message{Data: []byte(w)}); err != nil {
			return err
		}
		m, err := a.ReceiveMessage(ctx, nil, maxMessage)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", m.Data)
	}
	return a.Shutdown(ctx)
}
