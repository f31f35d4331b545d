package ipsock

import "syscall"

// enableGRO asks the kernel to hand out runs of datagrams of one sender in one
// piece, with their size as control data. False if it cannot.
func enableGRO(fd int) bool {
	return syscall.SetsockoptInt(fd, solUDP, udpGRO, 1) == nil
}
