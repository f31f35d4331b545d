package sctp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/rserpool/rserpool/sctp"
)

// The life of an association, from its trace.
func ExampleNewJSONTrace() {
	var out bytes.Buffer // or a file
	trace := sctp.NewJSONTrace(&out, &sctp.JSONTraceOptions{OmitPackets: true})
	if err := talk(trace); err != nil {
		fmt.Println(err)
		return
	}
	if err := trace.Close(); err != nil { // after the stack
		fmt.Println(err)
		return
	}
	for line := range bytes.Lines(out.Bytes()) {
		var event struct {
			Assoc          uint32
			Kind, From, To string
		}
		if err := json.Unmarshal(line, &event); err != nil {
			fmt.Println(err)
			return
		}
		if event.Assoc == 1 && event.Kind == "state" {
			fmt.Println(event.From, "to", event.To)
		}
	}
	// Output:
	// CLOSED to COOKIE-WAIT
	// COOKIE-WAIT to COOKIE-ECHOED
	// COOKIE-ECHOED to ESTABLISHED
	// ESTABLISHED to SHUTDOWN-PENDING
	// SHUTDOWN-PENDING to SHUTDOWN-SENT
	// SHUTDOWN-SENT to CLOSED
}

// talk opens and ends an association in a stack that is traced.
func talk(trace *sctp.JSONTrace) error {
	stack, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Trace: trace})
	if err != nil {
		return err
	}
	defer stack.Close()
	l, err := stack.Listen(nil, nil)
	if err != nil {
		return err
	}
	a, err := stack.Dial(context.Background(), l.Addr().(*sctp.Addr), nil)
	if err != nil {
		return err
	}
	return a.Shutdown(context.Background())
}
