// Package udpencap carries SCTP packets in UDP datagrams (RFC 6951) over real
// sockets. It implements carrier.Carrier.
//
//	socks, err := udpencap.ListenAll([]netip.AddrPort{netip.MustParseAddrPort("[::]:9899")}, nil)
//	if err != nil {
//		return err
//	}
//	for _, s := range socks {
//		go read(s) // one reader for each socket, see carrier.Carrier
//	}
//
// A Socket is one UDP socket. On Linux it reads and writes in batches (recvmmsg,
// sendmmsg), sends many packets as one datagram that the kernel or the network
// card cuts up (generic segmentation offload, UDP_SEGMENT), receives such runs in
// one piece (UDP_GRO), tells the local address of what it received, sends from the
// address it is told (IP_PKTINFO, IPV6_PKTINFO), and passes the ECN bits in both
// directions unchanged (RFC 6951 §5.8). Each of these is probed at run time and
// done without where the kernel lacks it. Other operating systems move one
// datagram per call, know local addresses where golang.org/x/net does, and leave
// the ECN bits zero.
//
// Datagrams leave whole, with the Don't Fragment bit, so that the path MTU can be
// found by probing (RFC 6951 §5.6); Config.AllowFragmentation turns that off. ICMP and
// ICMPv6 messages come from the socket's error queue and go to whom SetNotify names
// (RFC 6951 §5.5). Both are for Linux only.
//
// Loss is normal: a datagram that the kernel refuses is dropped and counted, see
// Stats. The UDP checksum is always computed (RFC 6951 §5.3).
//
// The package starts no goroutines and does not look into the packets.
package udpencap
