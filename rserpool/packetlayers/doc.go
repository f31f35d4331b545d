// Package packetlayers teaches gopacket ASAP and ENRP: programs that read captures or
// interfaces with gopacket get the messages of RFC 5352 and RFC 5353 as layers.
//
//	packetlayers.Register() // once: SCTP in UDP, and what DATA chunks hold
//	p := gopacket.NewPacket(data, layers.LinkTypeEthernet, gopacket.Default)
//	for _, l := range p.Layers() {
//		switch l := l.(type) {
//		case *packetlayers.ASAP:
//			fmt.Println(l.Message)
//		case *packetlayers.ENRP:
//			fmt.Println(l.Message)
//		}
//	}
//
// Without Register the layers decode what is known to be a message, such as the
// payload of a layers.SCTPData whose PayloadProtocol is 11 or 12, or a message put
// together of several chunks:
//
//	p := gopacket.NewPacket(payload, packetlayers.LayerTypeASAP, gopacket.Default)
//
// gopacket looks at one packet at a time. A message in several DATA chunks is therefore
// left as it is; the command `sctp dump` puts such messages together.
package packetlayers
