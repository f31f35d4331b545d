package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	client        clientOptions
	pool          string
	listen        string
	advertise     string
	policy        string
	id            hexID
	cookieKeys    string
	cookieLife    time.Duration
	root          string
	hashAhead     bool
	sessions      int
	failAfter     int
	capacity      float64
	wait          time.Duration
	block, buffer byteSize
	exitWithStdin bool
}

func serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve SERVICE --pool NAME",
		Short: "Serve a pool as one of its elements",
		Long: `Serve a pool as one of its elements. The services are

  echo      sends every message back
  discard   reads and says nothing
  daytime   says what time it is and closes
  chargen   sends characters without end
  pingpong  rsplib's example: replies are counted across elements
  calcapp   another: jobs take their time, and go on elsewhere
  fractal   another: images of the Mandelbrot set, likewise
  files     serves the files below --root to rserpool get

The first seven speak as rsplib's servers do. "registered 0xID" is printed once
a registrar has accepted the element. SIGTERM and SIGINT take it out of the
pool; sessions may go on for a while, downloads move to another element at
once. A second signal ends it.

Policies are those of RFC 5356, with constants behind colons: RoundRobin,
WeightedRoundRobin:3, Random, WeightedRandom:2, Priority:10, LeastUsed,
LeastUsedDegradation:0.1, PriorityLeastUsed:0.1, RandomizedLeastUsed. All
elements of a pool need the same one. The load of the adaptive ones is that of
--sessions.

The state that users carry from one element to the next is open to them unless
--cookie-key names a file with a secret in Base64 on each line, as "openssl rand
-base64 32" prints it: the same at all elements. The first seals, all open.
SIGHUP has this file and those of --tls-ca, --tls-cert and --tls-key read again.`,
		Example: `  rserpool serve echo --pool EchoPool
  rserpool serve files --root /srv/files --pool FilePool --policy LeastUsed
  rserpool serve pingpong --pool PingPongPool --registrar 192.0.2.1:3863`,
		ValidArgs: service.Names(),
		Args:      cobra.MatchAll(cobra.ExactArgs(1), knownService),
		RunE:      func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.pool, "pool", "", "`name` of the pool (required)")
	o.client.add(c, "info")
	f.StringVar(&o.listen, "listen", "", "`address`, IP[/IP...][:PORT][@UDPPORT] (default all)")
	f.StringVar(&o.advertise, "advertise", "", "`address` to register instead, behind a NAT")
	f.StringVar(&o.policy, "policy", "RoundRobin", "`policy` of the pool, with constants")
	f.Var(&o.id, "id", "identifier within the pool (default random)")
	f.StringVar(&o.root, "root", "", "`directory` to serve (files)")
	f.BoolVar(&o.hashAhead, "hash-ahead", false, "hash all files at the start (files)")
	f.StringVar(&o.cookieKeys, "cookie-key", "", "`file` of secrets to seal the state of sessions with")
	f.DurationVar(&o.cookieLife, "cookie-life", cookie.DefaultLife, "how long sealed state is good for")
	f.IntVar(&o.sessions, "sessions", 0, "most sessions at once (default no limit)")
	f.IntVar(&o.failAfter, "fail-after", 0, "abort sessions after so many replies (pingpong)")
	f.Float64Var(&o.capacity, "capacity", 0, "calculations per second (calcapp, default 1000000)")
	f.DurationVar(&o.wait, "wait", 0, "how long to look for a registrar (default for ever)")
	f.Var(&o.block, "block", "bytes of content in a message (files)")
	f.Var(&o.buffer, "buffer", "bytes that may wait for acknowledgement")
	must(f.MarkHidden("block"))
	must(f.MarkHidden("buffer"))
	exitWithStdin(c, &o.exitWithStdin)
	fixed(c, "policy", policies...)
	noFiles(c, "pool", "listen", "advertise", "id", "sessions", "fail-after", "capacity", "wait", "cookie-life")
	must(c.MarkFlagDirname("root"))
	return c
}

// policies are those of RFC 5356 with constants, as the shell completes them.
var policies = []string{"RoundRobin", "WeightedRoundRobin:1", "Random", "WeightedRandom:1", "Priority:1",
	"LeastUsed", "LeastUsedDegradation:0.1", "PriorityLeastUsed:0.1", "RandomizedLeastUsed"}

func knownService(_ *cobra.Command, args []string) error {
	if !slices.Contains(service.Names(), args[0]) {
		return fmt.Errorf("serve: unknown service %q (%s)", args[0], strings.Join(service.Names(), ", "))
	}
	return nil
}

// bounds checks the numbers; zero is the default of each.
func (o *serveOptions) bounds() error {
	return cmp.Or(least("--sessions", o.sessions, 0), least("--fail-after", o.failAfter, 0),
		least("--capacity", o.capacity, 0), least("--wait", o.wait, 0))
}

// resolve makes the element's configuration.
func (o *serveOptions) resolve(c *cobra.Command) (*poolelement.Config, error) {
	if err := o.client.csp.check(); err != nil {
		return nil, err
	}
	registrars, err := o.client.addrs(c.Context())
	if err != nil {
		return nil, err
	}
	p, err := o.client.timers()
	if err != nil {
		return nil, err
	}
	policy, err := rserpool.ParsePolicy(o.policy)
	if err != nil {
		return nil, usage("--policy: %s (%s)", oneLine(err), strings.Join(policies, ", "))
	}
	if o.listen != "" {
		if _, err := sctp.ParseListenAddr(o.listen); err != nil {
			return nil, usage("--listen: %s", oneLine(err))
		}
	}
	if o.advertise != "" {
		if _, err := sctp.ParseAddr(o.advertise); err != nil {
			return nil, usage("--advertise: %s", oneLine(err))
		}
	}
	sealer, err := o.sealer()
	if err != nil {
		return nil, err
	}
	secure, err := o.client.tls.config(true)
	if err != nil {
		return nil, err
	}
	log, err := o.client.log.logger(c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	return &poolelement.Config{
		Registrars: registrars, Discover: o.client.discover, DiscoverGroups: o.client.announced.asap,
		DiscoverInterfaces: o.client.announced.interfaces, Listen: o.listen, Advertise: o.advertise, PEID: rserpool.PEID(o.id),
		Policy: policy, Profile: p, TLS: secure, Cookies: sealer, SCTP: &sctp.Config{SendBuffer: int(o.buffer)}, Logger: log,
	}, nil
}

// sealer makes what seals the cookies, nil without --cookie-key.
func (o *serveOptions) sealer() (*cookie.Sealer, error) {
	if o.cookieKeys == "" {
		return nil, nil
	}
	keys, err := o.keys()
	if err != nil {
		return nil, err
	}
	if err := positive("--cookie-life", o.cookieLife); err != nil {
		return nil, err
	}
	return cookie.NewSealer(&cookie.Config{Pool: rserpool.PoolHandle(o.pool), Keys: keys, Life: o.cookieLife})
}

// keys reads the file with the secrets.
func (o *serveOptions) keys() ([]cookie.Key, error) {
	text, err := os.ReadFile(o.cookieKeys)
	if err != nil {
		return nil, fmt.Errorf("--cookie-key: %w", err)
	}
	keys, err := cookie.ParseKeys(text)
	if err != nil {
		return nil, usage("--cookie-key: %s", oneLine(err))
	}
	return keys, nil
}

func (o *serveOptions) run(c *cobra.Command, name string) (err error) {
	if o.pool == "" {
		return usage("serve: --pool is missing")
	}
	handle, err := poolHandle(o.pool)
	if err != nil {
		return err
	}
	switch {
	case name == "files" && o.root == "":
		return usage("serve files: --root is missing")
	case name != "files" && o.root != "":
		return usage("serve %s: --root is for files", name)
	}
	if err := o.bounds(); err != nil {
		return err
	}
	cfg, err := o.resolve(c)
	if err != nil {
		return err
	}
	var done func() error
	if cfg.Stack, done, err = watchStack(c, &o.client.observe, o.listen, 0, cfg.Logger); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	again := &refresher{options: o, cookies: cfg.Cookies, secured: cfg.TLS != nil, log: cfg.Logger}
	if again.cookies != nil || again.secured {
		defer again.onHangup()()
	}
	h, err := service.New(name, service.Options{Root: o.root, Block: int(o.block), FailAfter: o.failAfter, Capacity: o.capacity})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	if o.exitWithStdin {
		stopAtEOF(c.InOrStdin(), stop)
	}
	pe, err := o.listenFor(ctx, handle, cfg)
	if err != nil {
		if ctx.Err() != nil {
			return nil // it was to end before it had begun
		}
		return err
	}
	defer pe.Close()
	again.attach(pe)
	o.client.observe.Collect(daemon.ElementCollector(pe.Info))
	stopCSP, err := o.client.csp.start(elementReport(pe))
	if err != nil {
		return err
	}
	defer stopCSP()
	if f, ok := h.(*service.Files); ok {
		f.Draining = pe.Draining()
		defer f.Close()
		if o.hashAhead {
			go f.HashAll(ctx)
		}
	}
	fmt.Fprintln(c.OutOrStdout(), "registered", pe.ID())
	if err := (&poolelement.Server{Handler: h, MaxSessions: o.sessions}).Serve(ctx, pe); err != nil {
		return fmt.Errorf("leaving the pool: %w", err)
	}
	return nil
}

// patience is after how long the user hears that there is no registrar yet.
const patience = 3 * time.Second

// listenFor registers the element.
func (o *serveOptions) listenFor(ctx context.Context, handle rserpool.PoolHandle, cfg *poolelement.Config) (*poolelement.PoolElement, error) {
	lctx := ctx
	if o.wait > 0 {
		var cancel context.CancelFunc
		lctx, cancel = context.WithTimeout(ctx, o.wait)
		defer cancel()
	}
	note := time.AfterFunc(patience, func() {
		cfg.Logger.Warn("no registrar has accepted the element yet", zap.Strings("registrars", cfg.Registrars))
	})
	defer note.Stop()
	pe, err := poolelement.Listen(lctx, handle, cfg)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("not registered within %v: %w", o.wait, err)
	}
	return pe, err
}
