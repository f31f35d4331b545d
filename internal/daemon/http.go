package daemon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rserpool/rserpool/registrar"
)

// Handler serves all of a registrar's HTTP: what the library has (status page,
// /api/status, /healthz, /readyz) with /metrics and /debug/pprof. What else there is to
// measure is collected from more.
func Handler(r *registrar.Registrar, more ...prometheus.Collector) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", r.Handler())
	mux.Handle("GET /metrics", RegistrarMetrics(r, more...))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// newServer returns a server whose connections do not last for ever, whatever the other
// side does or leaves undone. Profiles take as long as they were asked for, 30 seconds by
// default, and traces.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 5 * time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}

// Serve listens on address, serves h until ctx ends and returns the address in
// use and a function that waits for the end.
func Serve(ctx context.Context, address string, h http.Handler) (net.Addr, func() error, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	s := newServer(ownHost(l.Addr(), address, h))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	wait := func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			_ = s.Close() // a client holds on
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	return l.Addr(), wait, nil
}
