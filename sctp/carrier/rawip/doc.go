// Package rawip carries SCTP packets directly in IP, as protocol 132, over raw
// sockets: the way that telecommunication equipment and the SCTP of kernels speak when
// nothing is said about UDP. It implements carrier.Carrier.
//
//	socks, err := rawip.ListenAll([]netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil)
//	if err != nil {
//		return err // not Linux, or no CAP_NET_RAW
//	}
//
// It is for Linux, IPv4 and IPv6, and wants the capability CAP_NET_RAW. As udpencap
// it reads and writes in batches, sends from the address that it is told, passes the
// ECN bits, sends whole packets (Don't Fragment) and hands ICMP messages on. There are
// no ports below SCTP: those of all addresses are 0. There is no segmentation offload.
//
// # Other SCTP on the same host
//
// A raw socket gets a copy of every SCTP packet to its addresses, whoever it is for,
// and cannot keep anybody else from getting it.
//
// If the kernel's own SCTP is loaded (see /proc/net/sctp), it gets them as well, knows
// nothing of the associations here and answers all their packets with ABORT, which
// ends them. Unload the module sctp, keep it from being loaded (a single socket of
// that protocol does), or let a firewall drop the ABORTs that it sends.
//
// Several processes with raw sockets can share an address if they use different SCTP
// ports: package sctp answers nothing to ports that it has not used itself, unless
// StackConfig.OwnsIP says that there is nobody else. Its ephemeral ports come out of
// blocks that a process reserves for itself in the network namespace
// (Socket.ReservePorts); a port that is asked for by number is not looked after.
//
// The package starts no goroutines and does not look into the packets.
package rawip
