package udpencap

import "github.com/rserpool/rserpool/sctp/carrier/internal/ipsock"

// DefaultPort is the UDP port registered for SCTP (RFC 6951 §5.1).
const DefaultPort = 9899

// DefaultBuffer is the size in bytes asked for the kernel's buffers: at 10 Gbit/s it
// holds three milliseconds.
const DefaultBuffer = ipsock.DefaultBuffer

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
	// DisableGSO sends each packet as a datagram of its own.
	DisableGSO bool
	// DisableGRO receives each datagram on its own.
	DisableGRO bool
	// DisableBatch moves one datagram per system call, without ICMP notices.
	DisableBatch bool
}
