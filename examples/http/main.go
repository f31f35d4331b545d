// Http runs net/http over SCTP, unchanged at both ends.
//
//	go run ./examples/http                          # both ends, on loopback
//	go run ./examples/http serve 192.0.2.1:80 DIR   # LISTEN address, files of DIR
//	go run ./examples/http get 192.0.2.1:80 /file
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "serve":
		l, err := sctp.Listen(args[1], nil)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "serving on", l.Addr())
		return serve(ctx, l, http.FileServer(http.Dir(args[2])))
	case len(args) == 3 && args[0] == "get":
		return get(ctx, out, args[1], args[2])
	case len(args) == 0:
		return demo(ctx, out)
	}
	return errors.New("usage: http [serve LISTEN DIR | get ADDRESS PATH]")
}

// demo runs both ends in one process.
func demo(ctx context.Context, out io.Writer) error {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s over %s\n", r.URL.Path, l.Addr().Network())
		}))
	}()
	err = get(ctx, out, l.Addr().String(), "/hello")
	cancel()
	return errors.Join(err, <-served)
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, l *sctp.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(limit)
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-drained // only Shutdown makes Serve return that error
	return nil
}

// get prints what a server has at path.
func get(ctx context.Context, out io.Writer, address, path string) error {
	transport := &http.Transport{
		// The address is not one of TCP, so the URL does not hold it.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			a, err := sctp.Dial(ctx, address, nil)
			if err != nil {
				return nil, err
			}
			return a.Conn(), nil
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sctp"+path, nil)
	if err != nil {
		return err
	}
	r, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	_, err = io.Copy(out, r.Body)
	return err
}
