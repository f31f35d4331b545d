package ipsock

// DefaultBuffer is the size in bytes asked for the kernel's buffers: at 10 Gbit/s it
// holds three milliseconds.
const DefaultBuffer = 4 << 20

// Config tunes a Socket; its fields are explained in package udpencap.
type Config struct {
	RecvBuffer         int
	SendBuffer         int
	AllowFragmentation bool
	DisableGSO         bool
	DisableGRO         bool
	DisableBatch       bool
}

// bufferSize returns the size to ask for, 0 for none.
func bufferSize(configured int) int {
	if configured == 0 {
		return DefaultBuffer
	}
	return max(configured, 0)
}
