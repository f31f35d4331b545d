package ipsock

import (
	"errors"
	"syscall"
)

// probeGSO says whether the kernel knows segmentation offload for UDP. Whether the
// device of a route can do it shows only when sending.
func probeGSO(fd int) bool {
	_, err := syscall.GetsockoptInt(fd, solUDP, udpSegment)
	return err == nil
}

// gsoFailure says whether err may be the fault of the offload, so that it is worth
// to send a run again without: EIO from devices without checksum offload, EINVAL
// from limits of the kernel, EMSGSIZE from segments that are larger than the path
// MTU, which the kernel fragments only as single datagrams.
func gsoFailure(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EMSGSIZE)
}

// gsoBroken says whether the offload has to be switched off after err. EINVAL has
// other causes, such as a source address that the host no longer has; it is the
// offload's fault if the same data could be sent without it (sent).
func gsoBroken(err error, sent bool) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL) && sent
}
