package sctp

import (
	"fmt"
	"net/netip"
	"runtime"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/rawip"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// sockets opens what the configuration asks for.
func (s *Stack) sockets() ([]carrier.Carrier, error) {
	if s.cfg.RawIP {
		return s.rawSockets()
	}
	socks, err := udpencap.ListenShared(s.bindAddrs(), s.cfg.shards(), s.cfg.udp())
	if err != nil {
		return nil, &OpError{Op: "listen", Addr: fmt.Sprintf("UDP port %d", s.cfg.UDPPort), Err: err}
	}
	var carriers []carrier.Carrier
	for _, sock := range socks {
		carriers = append(carriers, sock)
		s.checkBuffer(sock)
	}
	return carriers, nil
}

// rawSockets opens sockets for SCTP directly over IP.
func (s *Stack) rawSockets() ([]carrier.Carrier, error) {
	socks, err := rawip.ListenAll(s.cfg.ListenAddrs, s.cfg.raw())
	if err != nil {
		return nil, &OpError{Op: "listen", Addr: "IP", Err: err}
	}
	var carriers []carrier.Carrier
	for _, sock := range socks {
		carriers = append(carriers, sock)
		s.checkBuffer(sock)
	}
	return carriers, nil
}

// checkBuffer tells the log if a socket got a smaller receive buffer than asked for:
// bursts get lost then that nobody will find elsewhere.
func (s *Stack) checkBuffer(b carrier.Buffered) {
	want := s.cfg.UDPRecvBuffer
	if want == 0 {
		want = udpencap.DefaultBuffer
	}
	if got, _ := b.Buffers(); got > 0 && got < want {
		s.log.Info("small UDP receive buffer; net.core.rmem_max limits it", zap.Int("bytes", got), zap.Int("wanted", want))
	}
}

// bindAddrs are the UDP sockets of the configuration: the given addresses, or
// the unspecified one of both families.
func (s *Stack) bindAddrs() []netip.AddrPort {
	var as []netip.AddrPort
	for _, ip := range s.cfg.ListenAddrs {
		as = append(as, netip.AddrPortFrom(ip.Unmap(), s.cfg.UDPPort))
	}
	if len(as) == 0 {
		as = append(as, netip.AddrPortFrom(netip.IPv6Unspecified(), s.cfg.UDPPort))
	}
	return as
}

// maxShards bounds the sockets that are opened without being asked for by number:
// each has a thread of its own, buffers, and wants to be looked at.
const maxShards = 8

// shards is how many sockets share an address.
func (c *StackConfig) shards() int {
	switch {
	case c.Sockets == 0:
		return 1
	case c.Sockets < 0:
		return min(runtime.GOMAXPROCS(0), maxShards)
	}
	return c.Sockets
}

func (c *StackConfig) udp() *udpencap.Config {
	return &udpencap.Config{
		RecvBuffer: c.UDPRecvBuffer, SendBuffer: c.UDPSendBuffer,
		DisableGSO: c.DisableOffload, DisableGRO: c.DisableOffload,
		AllowFragmentation: c.AllowFragmentation,
	}
}

func (c *StackConfig) raw() *rawip.Config {
	return &rawip.Config{RecvBuffer: c.UDPRecvBuffer, SendBuffer: c.UDPSendBuffer, AllowFragmentation: c.AllowFragmentation}
}
