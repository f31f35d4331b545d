package handlespace_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

func Example() {
	s := handlespace.New(handlespace.Options{})
	now := time.Unix(0, 0)
	for id, weight := range map[rserpool.PEID]uint32{1: 1, 2: 3} {
		change, err := s.Register(now, "EchoPool", rserpool.PoolElement{
			ID:     id,
			Home:   0x1111,
			User:   rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7, Addrs: []netip.Addr{netip.IPv6Loopback()}},
			Policy: rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: weight},
		})
		if err != nil || change.Kind != handlespace.Added {
			fmt.Println(err)
		}
		s.SetExpiry("EchoPool", id, now.Add(time.Duration(id)*time.Minute))
	}
	for range 4 {
		elements, policy, _ := s.Select("EchoPool", 1)
		fmt.Println(policy.Type, elements[0].ID)
	}
	for _, gone := range s.Expire(now.Add(time.Minute)) {
		fmt.Println("expired:", gone.Key())
	}
	fmt.Printf("checksum of %s: %04x\n", rserpool.RegistrarID(0x1111), s.Checksum(0x1111))
	// Output:
	// WeightedRoundRobin 0x00000002
	// WeightedRoundRobin 0x00000001
	// WeightedRoundRobin 0x00000002
	// WeightedRoundRobin 0x00000002
	// expired: EchoPool/0x00000001
	// checksum of 0x00001111: 924f
}

func ExampleCauseOf() {
	s := handlespace.New(handlespace.Options{})
	_, err := s.Register(time.Now(), "EchoPool", rserpool.PoolElement{})
	fmt.Println(err)
	fmt.Println(handlespace.CauseOf(err))
	// Output:
	// handlespace: pool EchoPool, pe 0x00000000: PE identifier 0
	// rserpool: invalid values
}
