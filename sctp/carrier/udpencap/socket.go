package udpencap

import (
	"fmt"
	"net/netip"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/internal/ipsock"
)

// Listen binds a UDP socket to one address. "[::]" stands for all addresses of
// both families where the system allows that (else for those that it has),
// "0.0.0.0" for all IPv4 addresses. Port 0 takes a free one. A nil Config is the
// same as an empty one.
func Listen(addr netip.AddrPort, cfg *Config) (*Socket, error) {
	s, err := ipsock.Listen(addr, (*ipsock.Config)(cfg))
	if err != nil {
		return nil, fmt.Errorf("udpencap: %w", err)
	}
	return &Socket{s}, nil
}

// ListenAll binds a socket to each of several addresses, all with the same UDP
// port, since a stack has only one (RFC 6951 §5.1): ports that differ are an
// error, except that those of 0 follow the others. If all are 0, one that is free
// on all addresses is chosen. "[::]" next to an IPv4 address stands for the IPv6
// addresses only.
func ListenAll(addrs []netip.AddrPort, cfg *Config) ([]*Socket, error) {
	return ListenShared(addrs, 1, cfg)
}

// ListenShared is ListenAll with count sockets for each address (at most 256), so that
// several goroutines, and processors, can receive from it. It returns those of the
// first address first. The kernel gives each SCTP packet to the socket whose index
// among those of its address is the verification tag modulo count; INIT chunks, which
// have tag 0, are spread by their ports. Where that cannot be had, it is the addresses
// and ports of a packet that decide, so that all packets of a peer go to one socket.
//
// Sockets that share an address let in further ones of the same user (SO_REUSEPORT,
// socket(7)). Systems other than Linux have one socket for each address.
func ListenShared(addrs []netip.AddrPort, count int, cfg *Config) ([]*Socket, error) {
	socks, err := ipsock.ListenShared(addrs, count, (*ipsock.Config)(cfg))
	if err != nil {
		return nil, fmt.Errorf("udpencap: %w", err)
	}
	all := make([]*Socket, len(socks))
	for i, s := range socks {
		all[i] = &Socket{s}
	}
	return all, nil
}

// Socket is a UDP socket bound to one address. It implements carrier.Carrier; its
// methods may be called by several goroutines, ReadBatch by one at a time.
type Socket struct{ s *ipsock.Socket }

var (
	_ carrier.Carrier     = (*Socket)(nil)
	_ carrier.Notifier    = (*Socket)(nil)
	_ carrier.Fragmenter  = (*Socket)(nil)
	_ carrier.Interrupter = (*Socket)(nil)
	_ carrier.Buffered    = (*Socket)(nil)
)

// ReadBatch implements carrier.Carrier. Errors of the system call, such as those
// that ICMP messages provoke, are counted and survived; the only error is
// net.ErrClosed.
func (s *Socket) ReadBatch(ds []carrier.Datagram) (int, error) { return s.s.ReadBatch(ds) }

// WriteBatch implements carrier.Carrier. Whatever the kernel refuses is dropped
// and counted in Stats; the only error is net.ErrClosed. It returns the number of
// elements of which nothing was dropped. It blocks while the kernel's send buffer
// is full.
func (s *Socket) WriteBatch(ds []carrier.Datagram) (int, error) { return s.s.WriteBatch(ds) }

// MaxSegments implements carrier.Carrier: 64 while segmentation offload works, else
// 1. A Datagram with more segments, or with more bytes than a UDP datagram holds, is
// sent nonetheless, in several pieces.
func (s *Socket) MaxSegments() int { return s.s.MaxSegments() }

// LocalAddrs implements carrier.Carrier: the one bound address. "[::]" stands for
// the addresses of both families if the socket is a dual-stack one.
func (s *Socket) LocalAddrs() []netip.AddrPort { return s.s.LocalAddrs() }

// Overhead implements carrier.Carrier: the 8 bytes of the UDP header (RFC 6951 §5.6).
func (s *Socket) Overhead() int { return s.s.Overhead() }

// DontFragment implements carrier.Fragmenter: it is true on Linux unless
// Config.AllowFragmentation says otherwise.
func (s *Socket) DontFragment() bool { return s.s.DontFragment() }

// SetNotify implements carrier.Notifier. On Linux there are notices unless
// Config.DisableBatch is set, elsewhere none.
func (s *Socket) SetNotify(f func(carrier.Notice)) { s.s.SetNotify(f) }

// Buffers implements carrier.Buffered. Only Linux tells.
func (s *Socket) Buffers() (recv, send int) { return s.s.Buffers() }

// Interrupt implements carrier.Interrupter.
func (s *Socket) Interrupt() { s.s.Interrupt() }

// Close implements carrier.Carrier.
func (s *Socket) Close() error { return s.s.Close() }

// Stats returns the counters. The single values are exact, but not taken at one
// instant.
func (s *Socket) Stats() Stats { return Stats(s.s.Stats()) }
