package asap_test

import (
	"errors"
	"fmt"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

func ExampleMarshal() {
	b, err := asap.Marshal(&asap.HandleResolution{Handle: "EchoPool", HasItems: true, Items: 3})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%x\n", b)
	_, err = asap.Marshal(&asap.HandleResolution{})
	fmt.Println(err)
	// Output:
	// 050000180009000c4563686f506f6f6c803f000800000003
	// rserpool: pool handle of 0 bytes, want 1 to 1024
}

func ExampleDecode() {
	for _, b := range [][]byte{
		{0x09, 0, 0, 20, 0, 9, 0, 7, 'F', 'T', 'P', 0, 0, 0x0e, 0, 8, 0, 0, 0, 7},
		{0x09, 0, 0, 24, 0, 9, 0, 7, 'F', 'T', 'P', 0, 0, 0x0e, 0, 8, 0, 0, 0, 7, 0x40, 1, 0, 4},
		{0x7f, 0, 0, 4},
		{0x3f, 0, 0, 4},
	} {
		m, err := asap.Decode(b)
		var e *rserpool.Error
		switch {
		case errors.As(err, &e) && len(e.Causes) > 0:
			fmt.Println(e, "→", &asap.Error{Causes: e.Causes})
		case err != nil:
			fmt.Println(err, "→ silence")
		default:
			fmt.Println(m)
		}
	}
	// Output:
	// ENDPOINT_UNREACHABLE FTP pe 0x00000007
	// rserpool: message type 0x09: unknown parameter 0x4001 → ERROR: unrecognized parameter len=4
	// rserpool: message type 0x7f: unknown message type → ERROR: unrecognized message len=4
	// rserpool: message type 0x3f: unknown message type → silence
}
