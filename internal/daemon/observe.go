package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/capture"
)

// Observe is the flags of commands about watching their SCTP stack.
type Observe struct {
	pcap    string
	snapLen int
	redact  bool
	trace   string
	packets bool
	metrics string

	registry *prometheus.Registry // of --metrics, once open
}

// AddFlags adds the flags about files: --pcap and --trace with what belongs to them.
func (o *Observe) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.pcap, "pcap", "", "write all packets to this `file` (pcapng)")
	f.IntVar(&o.snapLen, "pcap-snap", 0, "keep so many `bytes` of each packet (default all)")
	f.BoolVar(&o.redact, "pcap-redact", false, "blank user data, cookies and tags in the file")
	f.StringVar(&o.trace, "trace", "", "write what associations do to this `file` (JSON lines)")
	f.BoolVar(&o.packets, "trace-packets", true, "trace each packet, too")
}

// AddMetrics adds --metrics.
func (o *Observe) AddMetrics(f *pflag.FlagSet) {
	f.StringVar(&o.metrics, "metrics", "", "serve /metrics for Prometheus at this `address`, HOST:PORT")
}

// Collect serves what c collects, too, if there is --metrics. The stack must be open.
func (o *Observe) Collect(c prometheus.Collector) {
	if o.registry != nil {
		o.registry.MustRegister(c)
	}
}

// Enabled says whether any of the flags is set.
func (o *Observe) Enabled() bool { return o.pcap != "" || o.trace != "" || o.metrics != "" }

// Check says why the files cannot be written to, as far as that can be told without
// writing: a missing directory, a directory of the same name.
func (o *Observe) Check() error {
	for _, name := range []string{o.pcap, o.trace} {
		if name == "" {
			continue
		}
		if d, err := os.Stat(filepath.Dir(name)); err != nil {
			return err
		} else if !d.IsDir() {
			return fmt.Errorf("%s: not in a directory", name)
		}
		if f, err := os.Stat(name); err == nil && f.IsDir() {
			return fmt.Errorf("%s: a directory", name)
		}
	}
	return nil
}

// Open opens a stack that is watched as the flags say. Files can be read by their owner
// only. What is to be told people goes to errs. done closes the stack, if that has not
// happened yet, and the files.
func (o *Observe) Open(ctx context.Context, cfg sctp.StackConfig, errs io.Writer) (s *sctp.Stack, done func() error, err error) {
	var c closers
	if s, err = o.open(ctx, &cfg, errs, &c); err != nil {
		_ = c.close() // the first error counts
		return nil, nil, err
	}
	return s, c.close, nil
}

func (o *Observe) open(ctx context.Context, cfg *sctp.StackConfig, errs io.Writer, c *closers) (*sctp.Stack, error) {
	if o.pcap != "" {
		f, err := create(o.pcap)
		if err != nil {
			return nil, err
		}
		w, err := capture.NewWriter(f, &capture.Options{SnapLen: o.snapLen, Redact: o.redact})
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		cfg.Capture = w
		c.add(func() error { return ended(o.pcap, "packets", f, w, errs) })
	}
	if o.trace != "" {
		f, err := create(o.trace)
		if err != nil {
			return nil, err
		}
		t := sctp.NewJSONTrace(f, &sctp.JSONTraceOptions{OmitPackets: !o.packets})
		cfg.Trace = t
		c.add(func() error { return ended(o.trace, "lines", f, t, errs) })
	}
	s, err := sctp.NewStack(cfg)
	if err != nil {
		return nil, err
	}
	c.add(s.Close)
	if o.metrics != "" {
		o.registry = stackRegistry(s)
		ctx, cancel := context.WithCancel(ctx)
		_, wait, err := Serve(ctx, o.metrics, registryHandler(o.registry))
		if err != nil {
			cancel()
			return nil, fmt.Errorf("--metrics: %w", err)
		}
		c.add(func() error { cancel(); return wait() })
	}
	return s, nil
}

// closers is what is to be closed, the last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() error {
	var all []error
	for i := len(*c) - 1; i >= 0; i-- {
		all = append(all, (*c)[i]())
	}
	*c = nil
	return errors.Join(all...)
}

// create opens a file that nobody else may read.
func create(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

// recording is a trace or a capture.
type recording interface {
	Close() error
	Dropped() uint64
}

// ended closes a recording and its file, and tells if it is not complete.
func ended(name, what string, f *os.File, r recording, errs io.Writer) error {
	err := r.Close()
	if n := r.Dropped(); err == nil && n > 0 {
		fmt.Fprintf(errs, "%s: %d %s are missing: the disk is too slow\n", name, n, what)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
