//go:build !amd64

package wire

// checksum is Checksum of a packet that has a header.
func checksum(pkt []byte) uint32 { return checksumByParts(pkt) }
