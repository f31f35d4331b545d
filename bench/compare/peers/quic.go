package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// quicStack is quic-go with its defaults and one bidirectional stream. Client
// associations share one UDP socket, as one process would do it.
type quicStack struct{}

var quicClient = sync.OnceValues(func() (*quic.Transport, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	return &quic.Transport{Conn: c}, err
})

func quicConfig() *quic.Config {
	return &quic.Config{MaxIdleTimeout: time.Minute}
}

func (quicStack) listen(addr string, accepted func(conn)) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	conf := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"perf"},
	}
	l, err := quic.ListenAddr(addr, conf, quicConfig())
	if err != nil {
		return err
	}
	go func() {
		for {
			q, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				s, err := q.AcceptStream(context.Background())
				if err != nil {
					return
				}
				accepted(newFramed(s, 4096, func() error { return q.CloseWithError(0, "") }))
			}()
		}
	}()
	return nil
}

func (quicStack) dial(addr string) (conn, error) {
	tr, err := quicClient()
	if err != nil {
		return nil, err
	}
	a, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"perf"}}
	q, err := tr.Dial(context.Background(), a, conf, quicConfig())
	if err != nil {
		return nil, err
	}
	s, err := q.OpenStreamSync(context.Background())
	if err != nil {
		return nil, err
	}
	return newFramed(s, 4096, func() error { return q.CloseWithError(0, "") }), nil
}
