package enrp_test

import (
	"fmt"
	"net/netip"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

func Example() {
	self := rserpool.ServerInfo{
		ID: 0x1111,
		Transport: rserpool.Transport{
			Protocol: rserpool.ProtoSCTP,
			Port:     enrp.Port,
			Addrs:    []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		},
	}
	b, err := enrp.Marshal(&enrp.Presence{Sender: self.ID, HasChecksum: true, Checksum: 0xffff, Server: &self})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%x\n", b)
	m, err := enrp.Decode(b)
	if err != nil {
		panic(err)
	}
	fmt.Println(m)
	// Output:
	// 0100002c0000111100000000000f0006ffff0000000b0018000011110004001026ad0000000100080a000001
	// PRESENCE 0x00001111 to all checksum=0xffff, registrar 0x00001111 at sctp 10.0.0.1:9901 data
}
