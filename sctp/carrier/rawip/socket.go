package rawip

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"syscall"

	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/internal/ipsock"
)

// Config tunes a Socket. The zero value and nil are good for general use. It must
// not be changed while it is in use; it may be shared.
type Config struct {
	// RecvBuffer is the size in bytes of the kernel's receive buffer. The kernel
	// may give less. 0 means 4 MiB, negative leaves it as the system has it.
	RecvBuffer int
	// SendBuffer is the size in bytes of the kernel's send buffer, as RecvBuffer.
	SendBuffer int
	// AllowFragmentation leaves the Don't Fragment bit as the operating system has
	// it, so that packets larger than the path MTU arrive in fragments, if at all.
	// There is no probing for the path MTU then.
	AllowFragmentation bool
}

// Socket is a raw IP socket for SCTP, bound to one address. It implements
// carrier.Carrier; its methods may be called by several goroutines, ReadBatch by one
// at a time.
type Socket struct {
	s *ipsock.Socket

	mu     sync.Mutex
	holds  []io.Closer // of reserved ports
	closed bool
}

var (
	_ carrier.Carrier      = (*Socket)(nil)
	_ carrier.Notifier     = (*Socket)(nil)
	_ carrier.Fragmenter   = (*Socket)(nil)
	_ carrier.Interrupter  = (*Socket)(nil)
	_ carrier.Buffered     = (*Socket)(nil)
	_ carrier.PortReserver = (*Socket)(nil)
)

// Listen opens a raw socket for one address; "0.0.0.0" stands for all IPv4 and "::"
// for all IPv6 addresses of the host. The error is errors.ErrUnsupported on systems
// other than Linux and fs.ErrPermission without CAP_NET_RAW.
func Listen(addr netip.Addr, cfg *Config) (*Socket, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	s, err := ipsock.ListenRaw(addr, &ipsock.Config{
		RecvBuffer: cfg.RecvBuffer, SendBuffer: cfg.SendBuffer, AllowFragmentation: cfg.AllowFragmentation,
	})
	if err != nil {
		return nil, fmt.Errorf("rawip: %w", err)
	}
	return &Socket{s: s}, nil
}

// ListenAll opens a raw socket for each of several addresses. Without any it opens one
// for all addresses of each family that the host has.
func ListenAll(addrs []netip.Addr, cfg *Config) ([]*Socket, error) {
	any := len(addrs) == 0
	if any {
		addrs = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	var socks []*Socket
	var failed error
	for _, a := range addrs {
		s, err := Listen(a, cfg)
		if any && lacking(err) {
			failed = err
			continue
		}
		if err != nil {
			closeAll(socks)
			return nil, err
		}
		socks = append(socks, s)
	}
	if len(socks) == 0 {
		return nil, failed
	}
	return socks, nil
}

// lacking says that the host does not have the address family.
func lacking(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

func closeAll(socks []*Socket) {
	for _, s := range socks {
		_ = s.Close() // cannot fail
	}
}

// ReadBatch implements carrier.Carrier, without the IP headers. The only error is
// net.ErrClosed.
func (s *Socket) ReadBatch(ds []carrier.Datagram) (int, error) { return s.s.ReadBatch(ds) }

// WriteBatch implements carrier.Carrier. Whatever the kernel refuses is dropped; the
// only error is net.ErrClosed. The ports of the destinations must be 0.
func (s *Socket) WriteBatch(ds []carrier.Datagram) (int, error) { return s.s.WriteBatch(ds) }

// MaxSegments implements carrier.Carrier: 1.
func (s *Socket) MaxSegments() int { return 1 }

// LocalAddrs implements carrier.Carrier: the one bound address, with port 0.
func (s *Socket) LocalAddrs() []netip.AddrPort { return s.s.LocalAddrs() }

// Overhead implements carrier.Carrier: nothing is between the IP header and SCTP.
func (s *Socket) Overhead() int { return 0 }

// DontFragment implements carrier.Fragmenter: it is true unless
// Config.AllowFragmentation says otherwise.
func (s *Socket) DontFragment() bool { return s.s.DontFragment() }

// SetNotify implements carrier.Notifier.
func (s *Socket) SetNotify(f func(carrier.Notice)) { s.s.SetNotify(f) }

// Buffers implements carrier.Buffered.
func (s *Socket) Buffers() (recv, send int) { return s.s.Buffers() }

// Interrupt implements carrier.Interrupter.
func (s *Socket) Interrupt() { s.s.Interrupt() }

// Close implements carrier.Carrier.
func (s *Socket) Close() error {
	s.release()
	return s.s.Close()
}
