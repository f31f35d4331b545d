package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/pooluser"
)

const (
	maxLine  = 1 << 20 // bytes of a line
	maxReply = 16 << 20
	// window is how many lines may be unanswered.
	window = 256
	// maxFruitless is how many elements in a row may take lines and answer none.
	maxFruitless = 10
)

// callOptions are the flags of call.
type callOptions struct {
	client   clientOptions
	noReply  bool
	pingpong bool
	wait     bool
	timeout  time.Duration
}

func callCommand() *cobra.Command {
	var o callOptions
	c := &cobra.Command{
		Use:   "call POOL",
		Short: "Send lines to a pool's service and print the replies",
		Long: `Send each line of standard input to a service as a message, and print the
replies. One reply is expected for each line. When the element dies, another
one takes over: lines that were not answered are sent again, so that a line may
be processed twice. With --no-reply nobody knows which ones those are: what is
on its way to an element that dies is lost.

It ends when standard input has ended and all lines are answered. If there were
no lines at all it prints what the service says until that ends the session.`,
		Example: `  echo hello | rserpool call EchoPool
  rserpool call DaytimePool </dev/null
  seq 100 | rserpool call PingPongPool --pingpong`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	o.client.add(c, "off")
	f := c.Flags()
	f.BoolVar(&o.noReply, "no-reply", false, "expect no replies: end when all lines have arrived")
	f.BoolVar(&o.pingpong, "pingpong", false, "speak PingPong; replies have their number in front")
	f.BoolVar(&o.wait, "wait", false, "wait for a pool that does not exist yet")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long to look for another element")
	noFiles(c, "timeout")
	return c
}

func (o *callOptions) run(c *cobra.Command, pool string) (err error) {
	ctx := c.Context()
	if o.noReply && o.pingpong {
		return usage("call: --no-reply and --pingpong exclude each other")
	}
	handle, err := poolHandle(pool)
	if err != nil {
		return err
	}
	if err := positive("--timeout", o.timeout); err != nil {
		return err
	}
	pu, err := o.client.user(c, handle, func(cfg *pooluser.Config) {
		cfg.FailoverTimeout, cfg.WaitForPool = o.timeout, o.wait
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
	cl := newCaller(s, c.OutOrStdout(), o)
	// Reading standard input cannot be interrupted; the goroutine ends with the process
	// if that ends first.
	go cl.read(ctx, c.InOrStdin())
	return cl.run(ctx)
}
