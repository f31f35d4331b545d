package ipsock

import "syscall"

// Constants of the Linux ABI that package syscall does not have, or not on all
// architectures.
const (
	pmtudiscDont  = 0  // IP_PMTUDISC_DONT and IPV6_PMTUDISC_DONT
	pmtudiscProbe = 3  // IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE
	ipv6MTU       = 24 // IPV6_MTU: fragment IPv6 packets to this size
	minIPv6MTU    = 1280
)

// setWhole makes datagrams leave whole: the kernel sets the Don't Fragment bit of
// IPv4, refuses what is larger than the MTU of the device (EMSGSIZE), fragments
// nothing, and keeps to no path MTU that an ICMP message told it, so that probes of
// a larger one leave (RFC 8899). False if it cannot.
func (s *Socket) setWhole(fd int) bool {
	return s.setBoth(fd, syscall.IP_MTU_DISCOVER, syscall.IPV6_MTU_DISCOVER, pmtudiscProbe)
}

// setFragmentable is the opposite: IPv4 packets may be fragmented anywhere. IPv6
// packets only here, so they are cut to what every link carries, as nothing is
// known of the path but that they do not fit.
func (s *Socket) setFragmentable(fd int) {
	s.setBoth(fd, syscall.IP_MTU_DISCOVER, syscall.IPV6_MTU_DISCOVER, pmtudiscDont)
	if !s.is4() {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, ipv6MTU, minIPv6MTU)
	}
}

// fragmentable runs f while datagrams may be fragmented, which is a property of the
// socket. Nobody else must write meanwhile.
func (s *Socket) fragmentable(f func()) {
	_ = s.raw.Control(func(fd uintptr) { s.setFragmentable(int(fd)) })
	f()
	_ = s.raw.Control(func(fd uintptr) {
		s.setWhole(int(fd))
		if !s.is4() {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, ipv6MTU, 0)
		}
	})
}
