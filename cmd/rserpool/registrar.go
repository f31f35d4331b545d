package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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

// registrarOptions are the flags of registrar.
type registrarOptions struct {
	config             string
	listen             string
	asapPort, enrpPort uint16
	id                 hexID
	peers              []string
	announce           string
	profile            string
	http               string
	httpGiven          bool
	closedPeers        bool
	strictAddresses    bool
	items              int
	exitWithStdin      bool
	observe            daemon.Observe
	log                logOptions
}

func registrarCommand() *cobra.Command {
	var o registrarOptions
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

--config names a YAML file with the same names as the flags, which the command
line overrides:

  listen: 192.0.2.1/198.51.100.1@9899
  id: 0x10
  peer: [192.0.2.2:9901, 192.0.2.3:9901]
  profile: fast`,
		Example: `  rserpool registrar
  rserpool registrar --listen 192.0.2.1 --peer 192.0.2.2:9901`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.config != "" {
				if err := loadConfig(o.config, c); err != nil {
					return err
				}
			}
			o.httpGiven = c.Flags().Changed("http")
			return o.run(c)
		},
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "YAML `file` with flags")
	f.StringVar(&o.listen, "listen", "", "`address`, IP[/IP...][@UDPPORT] (default all, UDP port 9899)")
	f.Uint16Var(&o.asapPort, "asap-port", asap.Port, "SCTP `port` for elements and users")
	f.Uint16Var(&o.enrpPort, "enrp-port", enrp.Port, "SCTP `port` for peers")
	f.Var(&o.id, "id", "identifier (default random)")
	f.StringArrayVar(&o.peers, "peer", nil, "ENRP `address` of another registrar (repeatable)")
	f.StringVar(&o.announce, "announce", "off", "announce by multicast: `on|off`")
	f.StringVar(&o.profile, "profile", core.ProfileDefault.Name, "`timers`: default, rfc, rsplib or fast")
	f.StringVar(&o.http, "http", defaultHTTP, "`address` of the status page; off for none")
	f.BoolVar(&o.closedPeers, "closed-peers", false, "refuse registrars that are not among the peers")
	f.BoolVar(&o.strictAddresses, "strict-addresses", false, "refuse elements with addresses not their own")
	f.IntVar(&o.items, "items", 0, "most elements in a resolution (default 128)")
	exitWithStdin(c, &o.exitWithStdin)
	o.observe.AddFlags(f)
	o.log.add(c, "info")
	must(c.MarkFlagFilename("config", "yaml", "yml"))
	fixed(c, "announce", "on", "off")
	fixed(c, "profile", profileNames()...)
	noFiles(c, "listen", "asap-port", "enrp-port", "id", "peer", "http", "items")
	return c
}

// resolve makes the registrar's configuration.
func (o *registrarOptions) resolve(ctx context.Context, log *zap.Logger) (*registrar.Config, error) {
	p, err := core.ParseProfile(o.profile)
	if err != nil {
		return nil, usage("--profile: unknown profile %q (%s)", o.profile, strings.Join(profileNames(), ", "))
	}
	switch o.announce {
	case "off":
	case "on":
		return nil, usage("--announce on: multicast announcements are not supported; tell elements, users and peers the addresses")
	default:
		return nil, usage("--announce: %q is neither on nor off", o.announce)
	}
	if o.listen != "" {
		if _, err := sctp.ParseListenAddr(o.listen); err != nil {
			return nil, usage("--listen: %s", oneLine(err))
		}
	}
	for _, a := range o.peers {
		if err := checkAddr(ctx, "--peer", a); err != nil {
			return nil, err
		}
	}
	if o.asapPort == 0 || o.asapPort == o.enrpPort || o.enrpPort == 0 {
		return nil, usage("--asap-port and --enrp-port must be two ports")
	}
	return &registrar.Config{
		Listen: o.listen, ASAPPort: o.asapPort, ENRPPort: o.enrpPort, Peers: o.peers,
		ID: rserpool.RegistrarID(o.id), Profile: p,
		ClosedPeers: o.closedPeers, StrictAddresses: o.strictAddresses,
		Limits: core.Limits{Items: o.items}, Logger: log,
	}, nil
}

func (o *registrarOptions) run(c *cobra.Command) (err error) {
	log, err := o.log.logger(c.ErrOrStderr())
	if err != nil {
		return err
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
	stopHTTP, err := o.serveHTTP(r, log)
	if err != nil {
		return err
	}
	defer stopHTTP()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-r.Ready():
		asapAt, enrpAt := r.Addrs()
		log.Info("ready", zap.Stringer("id", r.ID()), zap.Stringer("asap", asapAt), zap.Stringer("enrp", enrpAt))
		fmt.Fprintln(c.OutOrStdout(), "ready")
	}
	return <-ended
}

// serveHTTP shows the state of the registrar until stop is called, which waits for the
// end. That the default address is taken is no reason to fail: another registrar may run
// on this host.
func (o *registrarOptions) serveHTTP(r *registrar.Registrar, log *zap.Logger) (stop func(), err error) {
	if o.http == "off" || o.http == "" {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(context.Background()) // it outlives the drain
	at, wait, err := daemon.Serve(ctx, o.http, daemon.Handler(r))
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
