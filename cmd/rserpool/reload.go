package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/registrar"
)

// reloadable are the flags of registrar that take effect when the files are read again.
var reloadable = []string{"access", "closed-peers", "items", "limit", "log", "peer", "strict-addresses", "suggest-takeovers", "tls-ca", "tls-cert", "tls-key"}

// reloader reads the configuration of a registrar again that runs.
type reloader struct {
	registrar *registrar.Registrar
	log       *zap.Logger
	level     zap.AtomicLevel
	running   *cobra.Command // as it was started
	args      []string       // the command line, which goes on to override the file
	metrics   *daemon.Reloads

	// What the file is read into, again and again: the library never forgets a flag that
	// has completions.
	next    *cobra.Command
	options *registrarOptions
}

// onHangup reloads on each SIGHUP until stop is called or ctx ends.
func (l *reloader) onHangup(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ch, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ch, syscall.SIGHUP)
	go func() {
		defer close(done)
		for {
			select {
			case <-ch:
				l.reload(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(ch)
		cancel()
		<-done
	}
}

// reload takes over what has changed and can, or nothing.
func (l *reloader) reload(ctx context.Context) {
	if l.next == nil {
		l.next, l.options = newRegistrarCommand()
	}
	c, o := l.next, l.options
	unset(c.Flags())
	err := l.apply(ctx, c, o)
	l.metrics.Done(time.Now(), err)
	if err != nil {
		l.log.Error("configuration not reloaded, nothing has changed", zap.String("reason", oneLine(err)))
		return
	}
	if kept := l.kept(c); len(kept) > 0 {
		l.log.Warn("these take effect with the next start only", zap.Strings("keys", kept))
	}
	var files []string
	for _, f := range []string{o.config, o.tls.ca, o.tls.cert, o.tls.key} {
		if f != "" {
			files = append(files, f)
		}
	}
	l.log.Info("configuration reloaded", zap.Strings("files", files))
}

func (l *reloader) apply(ctx context.Context, c *cobra.Command, o *registrarOptions) error {
	if err := c.ParseFlags(l.args); err != nil {
		return err
	}
	if err := o.load(c); err != nil {
		return err
	}
	level, err := parseLevel(o.log.level)
	if err != nil {
		return o.from.locate(err)
	}
	cfg, err := o.resolve(ctx, l.log)
	if err != nil {
		return err
	}
	if err := l.registrar.Reconfigure(ctx, cfg); err != nil {
		return err
	}
	l.level.SetLevel(level)
	return nil
}

// unset gives all flags the values that they have if nobody sets them.
func unset(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			must(v.Replace(nil))
		case *hexID:
			*v = 0
		default:
			must(v.Set(f.DefValue))
		}
		f.Changed = false
	})
}

// kept are the flags that another value was read for and that stay as they are.
func (l *reloader) kept(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(reloadable, f.Name) && f.Value.String() != l.running.Flags().Lookup(f.Name).Value.String() {
			names = append(names, f.Name)
		}
	})
	return names
}
