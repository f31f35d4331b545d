package sctp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/rserpool/rserpool/sctp"
)

func Example() {
	ctx := context.Background()
	l, err := sctp.Listen("127.0.0.1:5000@0", nil) // @0: any free UDP port
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		server, _ := l.AcceptSCTP(ctx)
		m, _ := server.ReceiveMessage(ctx, nil, 64<<10)
		_ = server.Send(ctx, &m) // back on the same stream
	}()
	client, err := sctp.Dial(ctx, l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = client.Send(ctx, &sctp.Message{Stream: 1, Data: []byte("hello")})
	m, err := client.ReceiveMessage(ctx, nil, 64<<10)
	fmt.Printf("%s on stream %d, %v\n", m.Data, m.Stream, err)
	_ = errors.Join(client.Close(), l.Close())
	// Output: hello on stream 1, <nil>
}

// Streams of one association do not wait for each other.
func ExampleAssociation_OpenStream() {
	ctx := context.Background()
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		a, _ := l.AcceptSCTP(ctx)
		for {
			s, err := a.AcceptStream(ctx)
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(s, s) }() // a Stream is a net.Conn
		}
	}()

	a, err := sctp.Dial(ctx, l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	for _, word := range []string{"one", "two"} {
		s, err := a.OpenStream()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(s, word)
		buf := make([]byte, 10)
		n, _ := s.Read(buf)
		fmt.Printf("stream %d: %s\n", s.ID(), buf[:n])
	}
	// Output:
	// stream 2: one
	// stream 4: two
}

// A message of any length is sent and received piece by piece.
func ExampleMessage_partial() {
	ctx := context.Background()
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	sum := make(chan int)
	go func() {
		a, _ := l.AcceptSCTP(ctx)
		buf := make([]byte, 64<<10)
		for total := 0; ; {
			m, err := a.Receive(ctx, buf)
			if err != nil {
				return
			}
			if total += len(m.Data); !m.Partial { // the end of the message
				sum <- total
			}
		}
	}()

	a, err := sctp.Dial(ctx, l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	source := io.LimitReader(rand.Reader, 10<<20)
	for buf := make([]byte, 64<<10); ; {
		n, err := source.Read(buf)
		if err == io.EOF {
			err = a.Send(ctx, &sctp.Message{Stream: 1}) // no more: an empty piece is the last
			fmt.Println(<-sum, err)
			return
		}
		if err := a.Send(ctx, &sctp.Message{Stream: 1, Partial: true, Data: buf[:n]}); err != nil {
			log.Fatal(err)
		}
	}
	// Output: 10485760 <nil>
}

// A Listener is a net.Listener and a Conn a net.Conn, so net/http runs over SCTP.
func ExampleListener_Accept() {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) }))

	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			a, err := sctp.Dial(ctx, l.Addr().String(), nil)
			if err != nil {
				return nil, err
			}
			return a.Conn(), nil
		},
	}}
	r, err := client.Get("http://server/page")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	fmt.Printf("%s\n", body)
	// Output: hello /page
}

func ExampleParseAddr() {
	a, err := sctp.ParseAddr("[2001:db8::1]/192.0.2.1:3863@9900")
	fmt.Println(a.IPs, a.Port, a.UDPPort, err)
	// Output: [2001:db8::1 192.0.2.1] 3863 9900 <nil>
}
