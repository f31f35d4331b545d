package main

import (
	"crypto/tls"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
)

// refresher reads the secrets and certificates of an element again that runs.
type refresher struct {
	options *serveOptions
	cookies *cookie.Sealer // nil without --cookie-key
	secured bool           // there are files for TLS
	log     *zap.Logger

	mu      sync.Mutex
	element *poolelement.PoolElement // nil until it is registered
	latest  *tls.Config              // nil until they have been read again
}

// onHangup reads them on each SIGHUP until stop is called.
func (r *refresher) onHangup() (stop func()) {
	ch, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ch, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range ch {
			if err := r.refresh(); err != nil {
				r.log.Error("secrets not read again, nothing has changed", zap.String("reason", oneLine(err)))
			}
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
		<-done
	}
}

// refresh takes all over, or nothing.
func (r *refresher) refresh() (err error) {
	var keys []cookie.Key
	if r.cookies != nil {
		if keys, err = r.options.keys(); err != nil {
			return err
		}
	}
	var secure *tls.Config
	if r.secured {
		if secure, err = r.options.client.tls.config(true); err != nil {
			return err
		}
	}
	if r.cookies != nil {
		if err := r.cookies.SetKeys(keys); err != nil {
			return err
		}
		r.log.Info("secrets read again", zap.Stringer("sealing", keys[0]), zap.Int("keys", len(keys)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.secured {
		return nil
	}
	r.latest = secure
	if r.element != nil {
		if err := r.element.SetTLS(secure); err != nil {
			return err // cannot be: the files were checked as at the start
		}
	}
	r.log.Info("certificates read again")
	return nil
}

// attach says which element it is about. What was read while it registered counts for
// its next handshake.
func (r *refresher) attach(pe *poolelement.PoolElement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.element = pe; r.latest != nil {
		_ = pe.SetTLS(r.latest) // see refresh
	}
}
