package rserpool_test

import (
	"fmt"
	"net/netip"

	"github.com/rserpool/rserpool/rserpool"
)

func ExampleParsePolicy() {
	p, err := rserpool.ParsePolicy("LeastUsedDegradation:0.25")
	if err != nil {
		panic(err)
	}
	p.Load = rserpool.LoadOf(0.5)
	fmt.Println(p)
	fmt.Printf("%x adaptive=%t\n", p.AppendTo(nil), p.Type.Adaptive())
	// Output:
	// LeastUsedDegradation:0.25 load=0.5
	// 00080010400000028000000040000000 adaptive=true
}

func ExamplePoolElement() {
	pe := rserpool.PoolElement{
		ID:   0x11112222,
		Life: 90_000,
		User: rserpool.Transport{
			Protocol: rserpool.ProtoSCTP,
			Port:     7777,
			Use:      rserpool.UseDataControl,
			Addrs:    []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
			UDPPort:  9900,
		},
		Policy: rserpool.Policy{Type: rserpool.RoundRobin},
	}
	if err := pe.Validate(); err != nil {
		panic(err)
	}
	b := pe.AppendTo(nil)

	p := rserpool.NewParamReader(b)
	again := p.PoolElement()
	if err := p.Finish(); err != nil {
		panic(err)
	}
	fmt.Println(again)
	// Output:
	// pe 0x11112222 home 0x00000000 life 90000, sctp 192.0.2.1/[2001:db8::1]:7777 data+control udp=9900, RoundRobin
}

func ExampleParamReader() {
	// A handle, an unknown parameter to be skipped and reported, a PE identifier.
	b := rserpool.PoolHandle("EchoPool").AppendTo(nil)
	b = append(b, 0xc1, 0x23, 0, 4)
	b = rserpool.PEID(7).AppendTo(b)

	p := rserpool.NewParamReader(b)
	handle, id := p.PoolHandle(), p.PEID()
	if err := p.Finish(); err != nil {
		panic(err)
	}
	report := p.Report()
	fmt.Println(handle, id, rserpool.CausesString(report.ReportCauses()))
	// Output:
	// EchoPool 0x00000007 unrecognized parameter len=4
}
