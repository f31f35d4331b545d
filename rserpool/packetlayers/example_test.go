package packetlayers_test

import (
	"fmt"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool/packetlayers"
)

// The first messages of a capture.
func Example() {
	packetlayers.Register()
	f, err := os.Open("../testdata/captures/asap-session.pcapng")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		fmt.Println(err)
		return
	}
	source := gopacket.NewPacketSource(r, r.LinkType())
	for shown := 0; shown < 4; {
		p, err := source.NextPacket()
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, l := range p.Layers() {
			if a, ok := l.(*packetlayers.ASAP); ok && a.Message != nil && a.Message.Type() != asap.TypeServerAnnounce {
				fmt.Println(a.Message)
				shown++
			}
		}
	}
	// Output:
	// REGISTRATION Session: pe 0x0000a001 home 0x00000000 life 9000, sctp 10.99.1.21/10.99.2.21:35542 data+control, RoundRobin
	// REGISTRATION_RESPONSE Session pe 0x0000a001
	// HANDLE_RESOLUTION Session items=1
	// HANDLE_RESOLUTION_RESPONSE Session RoundRobin [pe 0x0000a001 home 0x11111111 life 9000, sctp 10.99.1.21/10.99.2.21:35542 data+control, RoundRobin]
}
