package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/sctp"
)

// ncOptions is the flags of nc.
type ncOptions struct {
	listen bool
	raw    bool
	stream uint16
	ppid   uint32
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
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return nc(c, args[0], &o) },
	}
	f := c.Flags()
	f.BoolVarP(&o.listen, "listen", "l", false, "wait for one association instead of opening one")
	f.BoolVar(&o.raw, "raw", false, "send blocks as they come instead of lines")
	f.Uint16Var(&o.stream, "stream", 0, "stream identifier to send on")
	f.Uint32Var(&o.ppid, "ppid", 0, "payload protocol identifier to send")
	return c
}

func nc(c *cobra.Command, address string, o *ncOptions) error {
	a, err := ncOpen(c.Context(), address, o)
	if err != nil {
		return err
	}
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

func ncOpen(ctx context.Context, address string, o *ncOptions) (*sctp.Association, error) {
	cfg := &sctp.Config{PPID: sctp.PPID(o.ppid)}
	if !o.listen {
		if _, err := sctp.ResolveAddr(ctx, address); err != nil {
			return nil, usageError{err}
		}
		return sctp.Dial(ctx, address, cfg)
	}
	addr, err := sctp.ParseListenAddr(address)
	if err != nil {
		return nil, usageError{err}
	}
	l, err := sctp.Listen(addr.String(), cfg)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.AcceptSCTP(ctx)
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
