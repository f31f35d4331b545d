package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// defaultRegistrar is asked when no other is given, defaultSecured with TLS.
const (
	defaultRegistrar = "127.0.0.1:3863"
	defaultSecured   = "127.0.0.1:3864"
)

// profileNames are the timer profiles, which registrars, elements and users all have.
func profileNames() []string {
	var names []string
	for _, p := range core.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// clientOptions are the flags of commands that talk to registrars.
type clientOptions struct {
	registrars []string
	discover   bool
	announced  announceOptions
	profile    string
	observe    daemon.Observe
	csp        cspOptions
	tls        tlsOptions
	log        logOptions
}

func (o *clientOptions) add(c *cobra.Command, level string) {
	f := c.Flags()
	f.StringArrayVar(&o.registrars, "registrar", nil, "`address` of a registrar (repeatable; default "+defaultRegistrar+", none with --discover)")
	f.BoolVar(&o.discover, "discover", false, "find registrars by their announcements, too")
	o.announced.addListen(c)
	f.StringVar(&o.profile, "profile", core.ProfileDefault.Name, "`timers`: default, rfc, rsplib or fast")
	fixed(c, "profile", profileNames()...)
	noFiles(c, "registrar")
	o.observe.AddFlags(f)
	o.observe.AddMetrics(f)
	o.csp.add(c)
	o.tls.add(c)
	o.tls.addName(c)
	o.log.add(c, level)
}

// addrs returns the registrars to ask: none if they are to be found.
func (o *clientOptions) addrs(ctx context.Context) ([]string, error) {
	if err := o.announced.check(); err != nil {
		return nil, err
	}
	list := o.registrars
	if len(list) == 0 && !o.discover {
		list = []string{defaultRegistrar}
		if o.tls.ca != "" {
			list = []string{defaultSecured}
		}
	}
	for _, a := range list {
		if err := checkAddr(ctx, "--registrar", a); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// least checks that a number of a flag is not below what it can be.
func least[T int | float64 | time.Duration](flag string, v, lowest T) error {
	if !(v >= lowest) {
		return usage("%s: %v is below %v", flag, v, lowest)
	}
	return nil
}

// positive checks that the time of a flag is one.
func positive(flag string, d time.Duration) error {
	if d <= 0 {
		return usage("%s: %v is no time", flag, d)
	}
	return nil
}

// checkAddr checks the address of a flag. A mistake in it is one of usage; a host name
// that is not known is none.
func checkAddr(ctx context.Context, flag, address string) error {
	_, err := sctp.ResolveAddr(ctx, address)
	var dns *net.DNSError
	if err == nil || ctx.Err() != nil || errors.As(err, &dns) {
		return err
	}
	return usage("%s: %s", flag, oneLine(err))
}

// timers returns the profile.
func (o *clientOptions) timers() (core.Profile, error) {
	p, err := core.ParseProfile(o.profile)
	if err != nil {
		return p, usage("--profile: unknown profile %q (%s)", o.profile, strings.Join(profileNames(), ", "))
	}
	return p, nil
}

// user opens a user of pool h after the options; change may adapt its configuration.
func (o *clientOptions) user(c *cobra.Command, h rserpool.PoolHandle, change func(*pooluser.Config)) (*poolUser, error) {
	if err := o.csp.check(); err != nil {
		return nil, err
	}
	registrars, err := o.addrs(c.Context())
	if err != nil {
		return nil, err
	}
	p, err := o.timers()
	if err != nil {
		return nil, err
	}
	log, err := o.log.logger(c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	secure, err := o.tls.config(false)
	if err != nil {
		return nil, err
	}
	cfg := &pooluser.Config{
		Registrars: registrars, Profile: p, TLS: secure, Logger: log,
		Discover: o.discover, DiscoverGroups: o.announced.asap, DiscoverInterfaces: o.announced.interfaces,
	}
	if change != nil {
		change(cfg)
	}
	stack, done, err := watchStack(c, &o.observe, "", 0, log)
	if err != nil {
		return nil, err
	}
	cfg.Stack = stack
	u, err := pooluser.New(cfg)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	o.observe.Collect(daemon.UserCollector(u.Stats, h))
	return &poolUser{u, registrars, done}, nil
}

// poolHandle checks the name of a pool.
func poolHandle(s string) (rserpool.PoolHandle, error) {
	h := rserpool.PoolHandle(s)
	if err := h.Validate(); err != nil {
		return "", usage("pool %q: %s", s, oneLine(err))
	}
	return h, nil
}

// hexID is the value of a flag that holds an identifier; 0 is: not set.
type hexID uint32

func (id *hexID) String() string {
	if *id == 0 {
		return ""
	}
	return fmt.Sprintf("%#08x", uint32(*id))
}

func (id *hexID) Set(s string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("not a hex number from 1 to ffffffff")
	}
	*id = hexID(n)
	return nil
}

func (id *hexID) Type() string { return "hex" }

// byteSize is the value of a flag that holds a number of bytes: 1000000, 64K, 1.5M,
// 256MiB. Units are powers of 1,024.
type byteSize int64

// String is what Set reads, with a unit if the number is a multiple of it.
func (n *byteSize) String() string {
	v, unit := int64(*n), ""
	for i := 0; v != 0 && v%1024 == 0 && i < 4; i++ {
		v, unit = v/1024, "KMGT"[i:i+1]
	}
	return strconv.FormatInt(v, 10) + unit
}

func (n *byteSize) Set(s string) error {
	num := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I")
	unit := 1.0
	if num != "" {
		if i := strings.IndexByte("KMGT", num[len(num)-1]); i >= 0 {
			num = num[:len(num)-1]
			unit = float64(int64(1) << (10 * (i + 1)))
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || !(v >= 0 && v*unit < 1<<62) {
		return fmt.Errorf("not a number of bytes")
	}
	*n = byteSize(v * unit)
	return nil
}

func (n *byteSize) Type() string { return "bytes" }

// human writes a number of bytes for people.
func human(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), -1
	for v >= 1023.95 && unit < 3 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[unit])
}

// fixed lets the shell complete a flag with one of some values.
func fixed(c *cobra.Command, flag string, values ...string) {
	must(c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// noFiles keeps the shell from completing a flag with file names.
func noFiles(c *cobra.Command, flags ...string) {
	for _, f := range flags {
		must(c.RegisterFlagCompletionFunc(f, cobra.NoFileCompletions))
	}
}

// must is for errors of the making of commands, which any run would show.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// logOptions are the flags about the log.
type logOptions struct{ level, format string }

func (o *logOptions) add(c *cobra.Command, level string) {
	f := c.Flags()
	f.StringVar(&o.level, "log", level, "log `level`: debug, info, warn, error or off")
	f.StringVar(&o.format, "log-format", "text", "log `format`: text or json")
	fixed(c, "log", "debug", "info", "warn", "error", "off")
	fixed(c, "log-format", "text", "json")
}

// logger returns the log, which is never nil.
func (o *logOptions) logger(w io.Writer) (*zap.Logger, error) {
	if o.level == "off" {
		return zap.NewNop(), nil
	}
	return newLogger(o.level, o.format, w)
}

// adjustable returns the log with the level that it has, which may be changed.
func (o *logOptions) adjustable(w io.Writer) (*zap.Logger, zap.AtomicLevel, error) {
	l, err := parseLevel(o.level)
	if err != nil {
		return nil, zap.AtomicLevel{}, err
	}
	level := zap.NewAtomicLevelAt(l)
	log, err := newLoggerAt(level, o.format, w)
	return log, level, err
}
