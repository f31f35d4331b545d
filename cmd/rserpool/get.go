package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// getOptions are the flags of get.
type getOptions struct {
	client   clientOptions
	out      string
	progress string
	limit    byteSize
	timeout  time.Duration
	buffer   byteSize

	exitWithStdin bool
}

func getCommand() *cobra.Command {
	var o getOptions
	c := &cobra.Command{
		Use:   "get POOL/PATH",
		Short: "Download a file from a pool of file servers",
		Long: `Download a file from a pool of file servers (rserpool serve files). When the
server dies the download goes on with another one, if that has the same file:
same size, same SHA-256.

The file is written to NAME.HASH.part, and renamed to NAME when all of it is
there and its SHA-256 is right. If the download fails, the part stays, and the
same command goes on from there.`,
		Example: `  rserpool get FilePool/images/disk.img
  rserpool get FilePool/notes.txt -o - | less`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "`file` or directory, - for standard output (default from PATH)")
	o.client.add(c, "off")
	f.StringVar(&o.progress, "progress", "auto", "`how`: auto, bar, lines, json or none")
	f.Var(&o.limit, "limit-rate", "most bytes a second, such as 2M")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long to look for another server")
	f.Var(&o.buffer, "buffer", "bytes that may wait to be read")
	must(f.MarkHidden("buffer"))
	exitWithStdin(c, &o.exitWithStdin)
	fixed(c, "progress", "auto", "bar", "lines", "json", "none")
	noFiles(c, "limit-rate", "timeout")
	return c
}

// split separates the pool from the path.
func splitPath(arg string) (rserpool.PoolHandle, string, error) {
	pool, file, ok := strings.Cut(arg, "/")
	if !ok || file == "" || strings.HasSuffix(file, "/") {
		return "", "", usage("get: %q is not POOL/PATH", arg)
	}
	h, err := poolHandle(pool)
	return h, file, err
}

func (o *getOptions) run(c *cobra.Command, arg string) (err error) {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	if o.exitWithStdin {
		stopAtEOF(c.InOrStdin(), stop)
	}
	handle, file, err := splitPath(arg)
	if err != nil {
		return err
	}
	if err := positive("--timeout", o.timeout); err != nil {
		return err
	}
	out, err := outputName(o.out, path.Base(file))
	if err != nil {
		return err
	}
	show, err := newProgress(o.progress, path.Base(file), c.OutOrStdout(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	if _, both := show.(*jsonProgress); both && out == "-" {
		return usage("get: --progress json and -o - both write to standard output")
	}
	pu, err := o.client.user(c, handle, func(cfg *pooluser.Config) {
		cfg.FailoverOnShutdown = true
		cfg.FailoverTimeout = o.timeout
		cfg.SCTP = &sctp.Config{RecvBuffer: int(o.buffer)}
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pu.Close()) }()
	s, err := dial(ctx, pu.PoolUser, handle, o.timeout)
	if err != nil {
		return explainTimeout(pu.asked(err), o.timeout)
	}
	defer s.Close()
	stopCSP, err := o.client.csp.start(userReport(s))
	if err != nil {
		return err
	}
	defer stopCSP()
	return o.fetch(ctx, s, file, out, show, c.OutOrStdout())
}

// dial opens a session within a time.
func dial(ctx context.Context, pu *pooluser.PoolUser, h rserpool.PoolHandle, d time.Duration) (*pooluser.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return pu.Dial(ctx, h)
}

// fetch downloads a file through a session.
func (o *getOptions) fetch(ctx context.Context, s *pooluser.Session, file, out string, show progress, stdout io.Writer) error {
	f, err := service.NewFetch(s, file, nil)
	if err != nil {
		return usage("get: %w", err)
	}
	info, err := f.Describe(ctx)
	if err != nil {
		return explainTimeout(err, o.timeout)
	}
	var target sink
	if out == "-" {
		target = &streamSink{w: stdout}
	} else if target, err = openPart(out, info); err != nil {
		return err
	}
	defer target.Close()
	sum := sha256.New()
	have, err := target.resume(sum)
	if err != nil {
		return err
	}
	m := newMeter(ctx, s, io.MultiWriter(target, sum), show, int64(o.limit))
	m.begin(info, have)
	if err := f.Content(ctx, have, m); err != nil {
		show.end()
		return target.keep(explainTimeout(err, o.timeout), m.have)
	}
	if [32]byte(sum.Sum(nil)) != info.SHA256 {
		show.end()
		return target.reject(fmt.Errorf("%s: content does not match its SHA-256 %x", file, info.SHA256))
	}
	if err := target.commit(); err != nil {
		show.end()
		return err
	}
	m.done(out)
	return nil
}

// explainTimeout adds what a user wants to know to the error of a fail-over.
func explainTimeout(err error, d time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no element of the pool could be reached for %v: %w", d, err)
	}
	return err
}

// sink is where a download goes.
type sink interface {
	io.WriteCloser
	// resume returns how much is there already, and adds it to the hash.
	resume(h hash.Hash) (int64, error)
	// keep adds to the error of a download what was kept.
	keep(err error, have int64) error
	// reject is for content that is wrong.
	reject(err error) error
	// commit makes the file what it shall be.
	commit() error
}

// streamSink is standard output.
type streamSink struct{ w io.Writer }

func (s *streamSink) Write(b []byte) (int, error)     { return s.w.Write(b) }
func (s *streamSink) Close() error                    { return nil }
func (s *streamSink) resume(hash.Hash) (int64, error) { return 0, nil }
func (s *streamSink) keep(err error, _ int64) error   { return err }
func (s *streamSink) reject(err error) error          { return err }
func (s *streamSink) commit() error                   { return nil }
