// Streams fetches several files over one association, each on a stream of its own,
// so that a big one does not hold up the small ones behind it.
//
//	go run ./examples/streams
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/rserpool/rserpool/sctp"
)

// files is what the server has: the size in bytes by name.
var files = map[string]int{"big": 8 << 20, "medium": 256 << 10, "small": 1 << 10}

// The first message on a stream asks for a file; the answer ends with a message
// that has this payload protocol identifier.
const lastPiece = 1

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	l, err := sctp.Listen("127.0.0.1:0@0", nil)
	if err != nil {
		return err
	}
	defer l.Close()
	go serve(ctx, l)

	a, err := sctp.Dial(ctx, l.Addr().String(), nil)
	if err != nil {
		return err
	}
	defer a.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, name := range []string{"big", "medium", "small"} {
		s, err := a.OpenStream()
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer s.Close()
			n, err := fetch(ctx, s, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			fmt.Fprintf(out, "%s: %d bytes on stream %d\n", name, n, s.ID())
		})
	}
	wg.Wait()
	return failed
}

// fetch asks for a file and counts its bytes.
func fetch(ctx context.Context, s *sctp.Stream, name string) (int, error) {
	if err := s.WriteMessage(ctx, &sctp.Message{Data: []byte(name)}); err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	total := 0
	for {
		m, err := s.ReadMessage(ctx, buf)
		if err != nil {
			return total, err
		}
		if m.PPID == lastPiece {
			return total, nil
		}
		total += len(m.Data)
	}
}

func serve(ctx context.Context, l *sctp.Listener) {
	for {
		a, err := l.AcceptSCTP(ctx)
		if err != nil {
			return
		}
		go func() {
			defer a.Close()
			for {
				s, err := a.AcceptStream(ctx)
				if err != nil {
					return
				}
				go answer(ctx, s)
			}
		}()
	}
}

// answer sends the file that the first message names.
func answer(ctx context.Context, s *sctp.Stream) {
	defer s.Close()
	piece := make([]byte, 16<<10)
	m, err := s.ReadMessage(ctx, piece)
	if err != nil {
		return
	}
	for left := files[string(m.Data)]; left > 0; left -= min(left, len(piece)) {
		if s.WriteMessage(ctx, &sctp.Message{Data: piece[:min(left, len(piece))]}) != nil {
			return
		}
	}
	_ = s.WriteMessage(ctx, &sctp.Message{PPID: lastPiece, Data: []byte{0}})
}
