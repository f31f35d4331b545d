package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/google/gopacket/pcapgo"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/memory"
)

// The packets of a stack, in a file that can be handed on.
func Example() {
	var file bytes.Buffer // or an *os.File that only its owner can read
	w, err := capture.NewWriter(&file, &capture.Options{Redact: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := talk(w); err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Close(); err != nil { // after the stack
		fmt.Println(err)
		return
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		fmt.Println(err)
		return
	}
	packets := 0
	for ; err == nil; packets++ {
		_, _, err = r.ReadPacketData()
	}
	fmt.Println("link type", r.LinkType(), "some packets:", packets > 5, "whole:", err == io.EOF)
	// Output:
	// link type Raw some packets: true whole: true
}

// talk sends a message from a stack that is captured.
func talk(sink capture.Sink) error {
	network := memory.New()
	open := func(at string, sink capture.Sink) (*sctp.Stack, error) {
		c, err := network.Listen(netip.MustParseAddrPort(at))
		if err != nil {
			return nil, err
		}
		return sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{c}, Capture: sink})
	}
	client, err := open("192.0.2.1:9899", sink)
	if err != nil {
		return err
	}
	defer client.Close()
	server, err := open("192.0.2.2:9899", nil)
	if err != nil {
		return err
	}
	defer server.Close()
	l, err := server.Listen(&sctp.Addr{Port: 5000}, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	a, err := client.Dial(ctx, l.Addr().(*sctp.Addr), nil)
	if err != nil {
		return err
	}
	if err := a.Send(ctx, &sctp.Message{Data: []byte("hello")}); err != nil {
		return err
	}
	return a.Shutdown(ctx)
}
