// Grpc is a pool of gRPC servers: a client's channel is to the pool, and when a server
// dies the channel goes on to another one. The servers are elements that speak SCTP; a
// server on a TCP port would register with poolelement.Register, and the client would
// be the same.
//
//	cd examples/grpc && go run .
//
// It is a module of its own, because the library does not need gRPC.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
)

// retries makes gRPC repeat calls that a dying server took with it.
const retries = `{"methodConfig": [{"name": [{}], "waitForReady": true, "retryPolicy": {
	"maxAttempts": 5, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 2,
	"retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reg, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	if err != nil {
		return err
	}
	go func() { _ = reg.Run(ctx) }()
	at, _ := reg.Addrs()
	registrars := []string{at.String()}

	servers := map[string]*poolelement.PoolElement{}
	for range 3 {
		pe, err := poolelement.Listen(ctx, "HealthPool", &poolelement.Config{Registrars: registrars, Profile: core.ProfileFast})
		if err != nil {
			return err
		}
		defer pe.Close()
		name := pe.ID().String()
		servers[name] = pe
		srv := newServer(name)
		defer srv.Stop()
		go func() { _ = srv.Serve(pe) }() // a net.Listener, until it is closed
	}

	pu, err := pooluser.New(&pooluser.Config{Registrars: registrars, Profile: core.ProfileFast})
	if err != nil {
		return err
	}
	defer pu.Close()
	// "passthrough" leaves the name to the dialer.
	conn, err := grpc.NewClient("passthrough:///HealthPool",
		grpc.WithContextDialer(func(ctx context.Context, pool string) (net.Conn, error) {
			return pu.DialContext(ctx, "tcp", pool)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(retries))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	for n := 1; n <= 9; n++ {
		var header metadata.MD
		r, err := client.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header))
		if err != nil {
			return err
		}
		who := header.Get("served-by")[0]
		fmt.Fprintf(out, "call %d: %s says %v\n", n, who, r.GetStatus())
		if n == 3 || n == 6 {
			_ = servers[who].Close() // nobody is told but by the abort
			fmt.Fprintf(out, "%s is dead\n", who)
		}
	}
	return nil
}

// newServer returns a gRPC server that says in each answer who it is.
func newServer(name string) *grpc.Server {
	srv := grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", name)); err != nil {
				return nil, err
			}
			return handler(ctx, req)
		}))
	healthpb.RegisterHealthServer(srv, health.NewServer())
	return srv
}
