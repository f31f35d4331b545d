package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// defaultHTTP is where a registrar shows its state, and where status looks.
const defaultHTTP = "127.0.0.1:9980"

// defaultSnapshot is the interval of --snapshot without one.
const defaultSnapshot = "5s"

// registrarOptions are the flags of registrar.
type registrarOptions struct {
	config             string
	listen             string
	asapPort, enrpPort uint16
	id                 hexID
	peers              []string
	announce           string
	announced          announceOptions
	profile            string
	lifeUnit           string
	arbitration        string
	http               string
	httpGiven          bool
	closedPeers        bool
	strictAddresses    bool
	suggestTakeovers   bool
	items              int
	scope, description string
	access             accessFlag
	limit              limitFlag
	check              bool
	state              string
	snapshot           time.Duration
	exitWithStdin      bool
	observe            daemon.Observe
	csp                cspOptions
	tls                tlsOptions
	asapTLSPort        uint16
	tcp, tcpTLS        string
	log                logOptions

	args []string // the flags of the command line, without those of the file
	from places   // where in the file the others are
}

func registrarCommand() *cobra.Command {
	c, _ := newRegistrarCommand()
	return c
}

// newRegistrarCommand also returns what parsing sets.
func newRegistrarCommand() (*cobra.Command, *registrarOptions) {
	o := &registrarOptions{}
	c := &cobra.Command{
		Use:   "registrar",
		Short: "Run a registrar",
		Long: `Run a registrar: pool elements register with it (ASAP, RFC 5352), pool users
ask it, and it shares what it knows with its peers (ENRP, RFC 5353). It prints
"ready" once it serves. SIGTERM and SIGINT hand its elements over to the peers
before it ends; a second one ends it at once.

--http serves a status page at /, its data at /api/status, /metrics for
Prometheus, /healthz, /readyz and /debug/pprof to whoever reaches the address.

Timer profiles:
  default  a dead element or registrar is found within seconds
  rfc      the values of the RFCs: a dead registrar is replaced after a minute
  rsplib   rsplib's defaults and wire quirks, for a scope of rsplib's programs
  fast     one is found in less than a second; for local networks

--announce on tells elements and users (--discover) and other registrars by
multicast where this one is, on all interfaces with an address of --listen, and
takes those that are heard as peers, beside --peer. Announcements can be forged:
--closed-peers has only registrars at the addresses of --peer, however they are
found. The groups are 224.0.1.185 and ff05::133 with the UDP ports 3863 (ASAP)
and 9901 (ENRP), with the profile rsplib 239.0.0.50:3863 and 239.0.0.51:9901.

--config names a YAML file with the same names as the flags, which the command
line overrides:

  listen: 192.0.2.1/198.51.100.1@9899
  id: 0x10
  peer: [192.0.2.2:9901, 192.0.2.3:9901]
  profile: fast
  access:
    - allow register,deregister from 192.0.2.0/24 pool web-*
    - deny register
  limit:
    registrations-per-source: 50

--state names a directory in which the registrar keeps its identifier, so that it
comes back as the same one after a crash; with --snapshot it also keeps its
elements there, which it asks then whether they still are.

SIGHUP has the file read again: access, limit, items, peer, closed-peers,
strict-addresses, suggest-takeovers, log and what is in the files of --tls-ca,
--tls-cert and --tls-key take effect at once, or nothing does if one of the files
has a mistake. --check-config looks for mistakes and ends: with exit
code 0 and "FILE: ok", 2 for a mistake, 1 for what cannot be read.`,
		Example: `  rserpool registrar
  rserpool registrar --listen 192.0.2.1 --peer 192.0.2.2:9901
  rserpool registrar --config registrar.yaml --check-config`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.load(c); err != nil {
				return err
			}
			if o.check {
				return o.checkConfig(c)
			}
			return o.run(c)
		},
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "YAML `file` with flags")
	f.BoolVar(&o.check, "check-config", false, "check the configuration and end")
	f.StringVar(&o.listen, "listen", "", "`address`, IP[/IP...][@UDPPORT] (default all, UDP port 9899)")
	f.Uint16Var(&o.asapPort, "asap-port", asap.Port, "SCTP `port` for elements and users")
	f.Uint16Var(&o.enrpPort, "enrp-port", enrp.Port, "SCTP `port` for peers (with TLS 9902 unless another is given)")
	f.Var(&o.id, "id", "identifier (default random)")
	f.StringArrayVar(&o.peers, "peer", nil, "ENRP `address` of another registrar (repeatable)")
	f.StringVar(&o.announce, "announce", "off", "announce by multicast, and hear other registrars: `on|off`")
	o.announced.add(c)
	f.StringVar(&o.profile, "profile", core.ProfileDefault.Name, "`timers`: default, rfc, rsplib or fast")
	f.StringVar(&o.lifeUnit, "life-unit", "", "`unit` of registration lives on the wire: auto, s (RFC 5354) or ms (rsplib) (default the profile's)")
	f.StringVar(&o.arbitration, "arbitration", "", "`rule` for two registrars that take over a third: auto, larger (RFC 5353) or smaller (rsplib) identifier wins (default the profile's)")
	f.StringVar(&o.state, "state", "", "`directory` that keeps the identifier")
	f.DurationVar(&o.snapshot, "snapshot", 0, "keep the elements in --state, too, written each `interval`")
	f.Lookup("snapshot").NoOptDefVal = defaultSnapshot
	f.StringVar(&o.http, "http", defaultHTTP, "`address` of the status page; off for none")
	f.BoolVar(&o.closedPeers, "closed-peers", false, "refuse registrars that are not among the peers")
	f.BoolVar(&o.strictAddresses, "strict-addresses", false, "refuse elements with addresses not their own")
	f.BoolVar(&o.suggestTakeovers, "suggest-takeovers", false, "spread elements over the registrars (draft-dreibholz-rserpool-enrp-takeover)")
	f.IntVar(&o.items, "items", 0, "most elements in a resolution (default 128)")
	f.StringVar(&o.scope, "scope", "", "`name` of the operation scope, for status page and metrics")
	f.StringVar(&o.description, "description", "", "`text` about this registrar, for the same")
	f.Var(&o.access, "access", "access `rule`: allow|deny OPERATIONS|all [from NETWORKS] [pool PATTERNS] (repeatable; the first that matches decides)")
	f.Var(&o.limit, "limit", "limit, `NAME=N` (repeatable)")
	exitWithStdin(c, &o.exitWithStdin)
	o.observe.AddFlags(f)
	o.csp.add(c)
	o.tls.add(c)
	f.Uint16Var(&o.asapTLSPort, "asap-tls-port", 3864, "SCTP `port` for elements and users with TLS")
	f.StringVar(&o.tcp, "asap-tcp", "", "serve users over TCP, too, at this `address`, HOST:PORT (by the RFC port 3863)")
	f.StringVar(&o.tcpTLS, "asap-tcp-tls", "", "the same within TLS, at this `address` (by the RFC port 3864)")
	noFiles(c, "asap-tls-port", "asap-tcp", "asap-tcp-tls")
	o.log.add(c, "info")
	must(c.MarkFlagFilename("config", "yaml", "yml"))
	must(c.MarkFlagDirname("state"))
	fixed(c, "announce", "on", "off")
	fixed(c, "profile", profileNames()...)
	fixed(c, "life-unit", "auto", "s", "ms")
	fixed(c, "arbitration", "auto", "larger", "smaller")
	noFiles(c, "listen", "asap-port", "enrp-port", "id", "peer", "http", "items", "access", "scope", "description", "snapshot")
	must(c.RegisterFlagCompletionFunc("limit", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, n := range limitNames {
			names = append(names, n+"=")
		}
		return names, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}))
	return c, o
}

// load reads the file, if there is one.
func (o *registrarOptions) load(c *cobra.Command) (err error) {
	o.args = given(c)
	if o.config != "" {
		o.from, err = loadConfig(o.config, c)
	}
	o.httpGiven = c.Flags().Changed("http")
	return err
}

// resolve makes the registrar's configuration.
func (o *registrarOptions) resolve(ctx context.Context, log *zap.Logger) (*registrar.Config, error) {
	cfg, err := o.build(ctx, log)
	return cfg, o.from.locate(err)
}

// timers returns the profile, with what else is said about it.
func (o *registrarOptions) timers() (core.Profile, error) {
	p, err := core.ParseProfile(o.profile)
	if err != nil {
		return p, usage("--profile: unknown profile %q (%s)", o.profile, strings.Join(profileNames(), ", "))
	}
	if o.lifeUnit != "" {
		if p.LifeUnit, err = core.ParseLifeUnit(o.lifeUnit); err != nil {
			return p, usage("--life-unit: unknown unit %q (auto, s, ms)", o.lifeUnit)
		}
	}
	if o.arbitration != "" {
		if p.Arbitration, err = core.ParseArbitration(o.arbitration); err != nil {
			return p, usage("--arbitration: unknown rule %q (auto, larger, smaller)", o.arbitration)
		}
	}
	return p, nil
}

func (o *registrarOptions) build(ctx context.Context, log *zap.Logger) (*registrar.Config, error) {
	p, err := o.timers()
	if err != nil {
		return nil, err
	}
	announce, err := o.announcements()
	if err != nil {
		return nil, err
	}
	if o.listen != "" {
		if _, err := sctp.ParseListenAddr(o.listen); err != nil {
			return nil, usage("--listen: %s", oneLine(err))
		}
	}
	for _, a := range o.peers {
		var err error
		if o.check {
			err = checkSyntax("--peer", a)
		} else {
			err = checkAddr(ctx, "--peer", a)
		}
		if err != nil {
			return nil, err
		}
	}
	secure, err := o.tls.config(true)
	if err != nil {
		return nil, err
	}
	enrpPort := o.enrpPort
	if secure != nil && enrpPort == enrp.Port {
		enrpPort = 0 // that of TLS
	}
	switch {
	case o.asapPort == 0:
		return nil, usage("--asap-port: 0 is not a port")
	case o.enrpPort == 0:
		return nil, usage("--enrp-port: 0 is not a port")
	case o.asapTLSPort == 0:
		return nil, usage("--asap-tls-port: 0 is not a port")
	case o.asapPort == o.enrpPort:
		return nil, usage("--asap-port: %d is that of --enrp-port, too", o.asapPort)
	case secure != nil && (o.asapTLSPort == o.asapPort || o.asapTLSPort == o.enrpPort):
		return nil, usage("--asap-tls-port: %d is that of --asap-port or --enrp-port, too", o.asapTLSPort)
	}
	for name, at := range map[string]string{"asap-tcp": o.tcp, "asap-tcp-tls": o.tcpTLS} {
		if _, _, err := net.SplitHostPort(at); at != "" && err != nil {
			return nil, usage("--%s: %s", name, oneLine(err))
		}
	}
	if o.tcpTLS != "" && secure == nil {
		return nil, usage("--asap-tcp-tls: --tls-ca is missing")
	}
	switch {
	case o.snapshot < 0:
		return nil, usage("--snapshot: %v is below 0", o.snapshot)
	case o.snapshot > 0 && o.state == "":
		return nil, usage("--snapshot: --state is missing")
	}
	if err := o.csp.check(); err != nil {
		return nil, err
	}
	if o.items < 0 {
		return nil, usage("--items: %d is below 0", o.items)
	}
	limits := o.limit.limits
	limits.Items = o.items
	return &registrar.Config{
		Listen: o.listen, ASAPPort: o.asapPort, ENRPPort: enrpPort, Peers: o.peers,
		TLS: secure, ASAPTLSPort: o.asapTLSPort, ASAPTCP: o.tcp, ASAPTCPTLS: o.tcpTLS,
		ID: rserpool.RegistrarID(o.id), Profile: p,
		Access: core.AccessList(o.access), ClosedPeers: o.closedPeers, StrictAddresses: o.strictAddresses,
		SuggestTakeovers: o.suggestTakeovers, Limits: limits, Announce: announce, Logger: log,
		Scope: o.scope, Description: o.description,
		StateDir: o.state, SnapshotInterval: o.snapshot,
	}, nil
}

func (o *registrarOptions) run(c *cobra.Command) (err error) {
	log, level, err := o.log.adjustable(c.ErrOrStderr())
	if err != nil {
		return o.from.locate(err)
	}
	cfg, err := o.resolve(c.Context(), log)
	if err != nil {
		return err
	}
	var done func() error
	if cfg.Stack, done, err = watchStack(c, &o.observe, o.listen, sctp.DefaultUDPPort, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	r, err := registrar.New(cfg)
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	if o.exitWithStdin {
		stopAtEOF(c.InOrStdin(), stop)
	}
	reload := &reloader{registrar: r, log: log, level: level, running: c, args: o.args, metrics: daemon.NewReloads()}
	stopHTTP, err := o.serveHTTP(r, reload.metrics, log)
	if err != nil {
		return err
	}
	defer stopHTTP()
	stopCSP, err := o.csp.start(registrarReport(r))
	if err != nil {
		return err
	}
	defer stopCSP()
	if o.config != "" || cfg.TLS != nil {
		defer reload.onHangup(ctx)()
	}
	go daemon.CollectOften(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-r.Ready():
		asapAt, enrpAt := r.Addrs()
		log.Info("serving", zap.Stringer("id", r.ID()), zap.Stringer("asap", asapAt), zap.Stringer("enrp", enrpAt))
		fmt.Fprintln(c.OutOrStdout(), "ready")
	}
	return <-ended
}

// serveHTTP shows the state of the registrar until stop is called, which waits for the
// end. That the default address is taken is no reason to fail: another registrar may run
// on this host.
func (o *registrarOptions) serveHTTP(r *registrar.Registrar, reloads *daemon.Reloads, log *zap.Logger) (stop func(), err error) {
	if o.http == "off" || o.http == "" {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(context.Background()) // it outlives the drain
	at, wait, err := daemon.Serve(ctx, o.http, daemon.Handler(r, reloads, daemon.SnapshotCollector(r)))
	switch {
	case err != nil && !o.httpGiven:
		cancel()
		log.Warn("no status page", zap.Error(err))
		return func() {}, nil
	case err != nil:
		cancel()
		return nil, fmt.Errorf("--http: %w", err)
	}
	log.Info("status page", zap.String("url", "http://"+at.String()+"/"))
	return func() {
		cancel()
		if err := wait(); err != nil {
			log.Error("http", zap.Error(err))
		}
	}, nil
}

// exitWithStdin adds the flag that ties a server to the process that started it.
func exitWithStdin(c *cobra.Command, v *bool) {
	c.Flags().BoolVar(v, "exit-with-stdin", false, "end when standard input ends")
	must(c.Flags().MarkHidden("exit-with-stdin"))
}

// stopAtEOF calls stop when in ends. The goroutine lives as long as that takes.
func stopAtEOF(in io.Reader, stop func()) {
	go func() {
		_, _ = io.Copy(io.Discard, in) // an error is an end, too
		stop()
	}()
}
