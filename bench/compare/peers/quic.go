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

var (
	quicOnce   sync.Once
	quicShared *quic.Transport
)

// quicClient is the transport of all dials, on a socket that reaches server.
func quicClient(server *net.UDPAddr) (*quic.Transport, error) {
	var err error
	quicOnce.Do(func() {
		local := &net.UDPAddr{}
		if server.IP.IsLoopback() {
			local.IP = server.IP
		}
		var c *net.UDPConn
		if c, err = net.ListenUDP("udp4", local); err == nil {
			quicShared = &quic.Transport{Conn: c}
		}
	})
	return quicShared, err
}

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
	a, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, err
	}
	tr, err := quicClient(a)
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
