// Three-registrars takes away the registrar of a pool, twice: the others have the
// same handlespace, one of them becomes the home of the pool's element, and users notice
// nothing.
//
//	go run ./examples/three-registrars
//
// All run in one process here, on loopback, each with a UDP port of its own, as
// separate processes would.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

const pool rserpool.PoolHandle = "ExamplePool"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	registrars, addresses, err := startRegistrars(3)
	defer func() {
		for _, r := range registrars {
			_ = r.Close()
		}
	}()
	if err != nil {
		return err
	}

	// Element and user know all registrars; each takes one of them.
	pe, err := poolelement.Listen(ctx, pool, &poolelement.Config{Registrars: addresses, Profile: core.ProfileFast})
	if err != nil {
		return err
	}
	defer pe.Close()
	pu, err := pooluser.New(&pooluser.Config{Registrars: addresses, Profile: core.ProfileFast, StaleCache: -1})
	if err != nil {
		return err
	}
	defer pu.Close()

	home, err := awaitHome(ctx, pu, 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "element %s is registered with registrar %s\n", pe.ID(), home)
	for range len(registrars) - 1 {
		begin := time.Now()
		_ = registrars[home].Close() // at once; the end of the context of Run would hand over
		delete(registrars, home)
		next, err := awaitHome(ctx, pu, home)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "registrar %s has gone; after %d ms registrar %s is the element's home\n", home, time.Since(begin).Milliseconds(), next)
		home = next
	}
	return nil
}

// awaitHome waits until the element has a home other than the dead one. It asks as any
// user would, of whatever registrar there is.
func awaitHome(ctx context.Context, pu *pooluser.PoolUser, dead rserpool.RegistrarID) (rserpool.RegistrarID, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		elements, err := pu.Resolve(ctx, pool)
		if err == nil && len(elements) == 1 && elements[0].Home != dead && elements[0].Home != 0 {
			return elements[0].Home, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return 0, errors.Join(errors.New("the element has no home"), ctx.Err(), err)
		}
	}
}

// startRegistrars runs n registrars that know each other, and waits until they serve.
func startRegistrars(n int) (map[rserpool.RegistrarID]*registrar.Registrar, []string, error) {
	stacks := make([]*sctp.Stack, n)
	var peers, addresses []string
	listen, err := sctp.ParseListenAddr("127.0.0.1@0")
	if err != nil {
		return nil, nil, err
	}
	for i := range stacks {
		if stacks[i], err = sctp.NewStack(&sctp.StackConfig{ListenAddrs: listen.IPs}); err != nil {
			return nil, nil, err
		}
		peers = append(peers, fmt.Sprintf("127.0.0.1:9901@%d", stacks[i].UDPPort()))
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:3863@%d", stacks[i].UDPPort()))
	}
	registrars := make(map[rserpool.RegistrarID]*registrar.Registrar)
	for i, s := range stacks {
		id := rserpool.RegistrarID(i + 1)
		r, err := registrar.New(&registrar.Config{ID: id, Stack: s, Peers: peers, Profile: registrarcore.ProfileFast})
		if err != nil {
			return registrars, nil, err
		}
		registrars[id] = r
		go func() { _ = r.Run(context.Background()) }() // until Close
	}
	for _, r := range registrars {
		<-r.Ready()
	}
	return registrars, addresses, nil
}
