package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// serveEtcd runs an etcd of one member with all elements until standard input ends.
func serveEtcd(ctx context.Context, profile string) error {
	ctx = untilEOF(ctx)
	dir, err := os.MkdirTemp("", "resolve-etcd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.UnsafeNoFsync = dir, "fatal", true // closing listeners are errors to it
	clients, err := free()
	if err != nil {
		return err
	}
	members, err := free()
	if err != nil {
		return err
	}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{members}, []url.URL{members}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	return profiled(profile, "etcd", func() error {
		e, err := embed.StartEtcd(cfg)
		if err != nil {
			return err
		}
		defer e.Close()
		select {
		case <-e.Server.ReadyNotify():
		case <-time.After(time.Minute):
			return errors.New("etcd is not ready")
		}
		c, err := connect(clients.String())
		if err != nil {
			return err
		}
		defer c.Close()
		for n := range pools * perPool {
			if _, err := c.Put(ctx, key(lookedUp, n), value(n)); err != nil {
				return err
			}
		}
		fmt.Println(clients.String())
		<-ctx.Done()
		return nil
	})
}

// free is a URL with a port that was free a moment ago.
func free() (url.URL, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}, nil
}

func connect(addr string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{strings.TrimPrefix(addr, "http://")}, Logger: zap.NewNop(), DialTimeout: 10 * time.Second})
}

func key(kind string, n int) string { return fmt.Sprintf("%s/%08x", handle(kind, n%pools), n/pools+1) }

// value is what a registration says of an element: as many bytes.
func value(n int) string { return string(registration(lookedUp, n).Element.AppendTo(nil)) }

// askEtcd puts load on an etcd: each connection is a client of its own.
func askEtcd(serializable bool) func(ctx context.Context, l *load) (result, error) {
	opts := []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithLimit(askedItems)}
	if serializable {
		opts = append(opts, clientv3.WithSerializable())
	}
	return func(ctx context.Context, l *load) (result, error) {
		clients := make([]*clientv3.Client, l.Conns)
		for i := range clients {
			c, err := connect(l.Addr)
			if err != nil {
				return result{}, err
			}
			defer c.Close()
			if _, err := c.Get(ctx, "x"); err != nil { // the connection is up
				return result{}, err
			}
			clients[i] = c
		}
		clocks := make([]clock, l.Conns*l.Window)
		errs := make([]error, len(clocks))
		var wg sync.WaitGroup
		started := time.Now()
		for i := range clocks {
			wg.Go(func() {
				c, rnd := clients[i/l.Window], rand.New(rand.NewPCG(uint64(i), 1))
				for errs[i] == nil && time.Since(started) < l.Time {
					start := time.Now()
					if l.What == "register" {
						n := rnd.IntN(pools * perPool)
						_, errs[i] = c.Put(ctx, key(registering, n), value(n))
					} else {
						var r *clientv3.GetResponse
						if r, errs[i] = c.Get(ctx, string(handle(lookedUp, rnd.IntN(pools)))+"/", opts...); errs[i] == nil && len(r.Kvs) != askedItems {
							errs[i] = fmt.Errorf("%d elements", len(r.Kvs))
						}
					}
					clocks[i].note(time.Since(start))
				}
			})
		}
		wg.Wait()
		return sum(clocks, time.Since(started).Seconds()), errors.Join(errs...)
	}
}
