package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/sctp"
)

// ncOptions is the flags of nc.
type ncOptions struct {
	listen bool
	raw    bool
	loud   bool
	stream uint16
	ppid   uint32

	lower   lowerLayer
	observe daemon.Observe
}

// maxLine bounds a line read from standard input and a message received.
const maxLine = 1 << 20

func ncCommand() *cobra.Command {
	var o ncOptions
	c := &cobra.Command{
		Use:   "nc [-l] ADDR",
		Short: "Connect standard input and output to an association",
		Long: `Connect standard input and output to an association. Each line of standard input,
or each block with --raw, is sent as one message; what comes back is written to
standard output. The end of standard input shuts the association down gracefully.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return nc(c, args[0], &o) },
	}
	f := c.Flags()
	f.BoolVarP(&o.listen, "listen", "l", false, "wait for one association instead of opening one")
	f.BoolVar(&o.raw, "raw", false, "send blocks as they come instead of lines")
	f.BoolVarP(&o.loud, "verbose", "v", false, "tell on standard error where it listens, and who is there")
	f.Uint16Var(&o.stream, "stream", 0, "stream identifier to send on")
	f.Uint32Var(&o.ppid, "ppid", 0, "payload protocol identifier to send")
	o.lower.addFlags(f)
	o.observe.AddFlags(f)
	return c
}

func nc(c *cobra.Command, address string, o *ncOptions) (err error) {
	a, done, err := ncOpen(c, address, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	defer a.Close()
	if int(o.stream) >= a.OutStreams() {
		return usage("nc: stream %d: the association has %d", o.stream, a.OutStreams())
	}
	sent := make(chan error, 1)
	// Reading standard input cannot be interrupted; this goroutine ends with the
	// process if the peer ends first.
	go func() { sent <- ncSend(c.Context(), a, c.InOrStdin(), o) }()
	err = ncReceive(c.Context(), a, c.OutOrStdout(), o)
	select {
	case e := <-sent:
		err = errors.Join(e, err)
	default:
	}
	return err
}

// ncOpen opens or accepts the association; done closes what is below it.
func ncOpen(c *cobra.Command, address string, o *ncOptions) (a *sctp.Association, done func() error, err error) {
	ctx, cfg := c.Context(), &sctp.Config{PPID: sctp.PPID(o.ppid)}
	local := o.lower.stack(nil)
	var addrs []*sctp.Addr
	if o.listen {
		addr, err := sctp.ParseListenAddr(address)
		if err != nil {
			return nil, nil, usageError{err}
		}
		addrs, local = []*sctp.Addr{addr}, o.lower.stack(addr)
	} else if addrs, err = sctp.ResolveAddr(ctx, address); err != nil {
		return nil, nil, usageError{err}
	}
	stack, done, err := o.observe.Open(ctx, local, c.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	if o.listen {
		a, err = ncAccept(c, stack, addrs[0], cfg, o)
	} else {
		a, err = ncDial(ctx, stack, addrs, cfg)
	}
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	o.tell(c, "associated with", a.RemoteAddr())
	return a, done, nil
}

// tell says on standard error what has happened, if that is wanted.
func (o *ncOptions) tell(c *cobra.Command, what string, at net.Addr) {
	if o.loud {
		fmt.Fprintln(c.ErrOrStderr(), what, at)
	}
}

// ncAccept waits for one association.
func ncAccept(c *cobra.Command, stack *sctp.Stack, addr *sctp.Addr, cfg *sctp.Config, o *ncOptions) (*sctp.Association, error) {
	l, err := stack.Listen(&sctp.Addr{Port: addr.Port}, cfg)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	o.tell(c, "listening at", l.Addr())
	return l.AcceptSCTP(c.Context())
}

// ncPatience bounds each try but the last, where a host name has several addresses.
const ncPatience = 5 * time.Second

// ncDial tries one address after the other.
func ncDial(ctx context.Context, stack *sctp.Stack, addrs []*sctp.Addr, cfg *sctp.Config) (a *sctp.Association, err error) {
	for i, addr := range addrs {
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if i < len(addrs)-1 {
			attempt, cancel = context.WithTimeout(ctx, ncPatience)
		}
		a, err = stack.Dial(attempt, addr, cfg)
		cancel()
		if err == nil || ctx.Err() != nil {
			return a, err
		}
	}
	return nil, err
}

// ncSend copies in to the association and shuts it down at the end.
func ncSend(ctx context.Context, a *sctp.Association, in io.Reader, o *ncOptions) error {
	send := func(b []byte) error {
		if len(b) == 0 {
			return nil
		}
		return a.Send(ctx, &sctp.Message{Stream: sctp.StreamID(o.stream), PPID: sctp.PPID(o.ppid), Data: b})
	}
	if o.raw {
		buf := make([]byte, 32<<10)
		for {
			n, err := in.Read(buf)
			if e := send(buf[:n]); e != nil {
				return e
			}
			if err != nil {
				break
			}
		}
	} else {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxLine)
		lines.Split(wholeLines)
		for lines.Scan() {
			if err := send(lines.Bytes()); err != nil {
				return err
			}
		}
		if errors.Is(lines.Err(), bufio.ErrTooLong) {
			return fmt.Errorf("nc: a line of more than %d bytes", maxLine)
		}
	}
	return a.Shutdown(ctx)
}

// wholeLines splits at line ends and keeps them.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// ncReceive copies messages to out until the association ends.
func ncReceive(ctx context.Context, a *sctp.Association, out io.Writer, _ *ncOptions) error {
	buf := make([]byte, 64<<10)
	for {
		m, err := a.Receive(ctx, buf)
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, sctp.ErrShutdown) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := out.Write(m.Data); err != nil {
			return err
		}
	}
}
