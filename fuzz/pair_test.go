package fuzz

import (
	"testing"

	"github.com/rserpool/rserpool/internal/coresim"
	"github.com/rserpool/rserpool/sctp/wire"
)

// programs are what an engineer would try first, as programs of coresim.Play. Each
// begins with the head, four bytes.
func programs() map[string][]byte {
	const (
		deliver, burst, pickOne, drop, double, send, read, next = 0, 2, 4, 6, 8, 10, 12, 14
		wait, mutate, raw, forge, end, restart, clock, move     = 16, 18, 20, 22, 24, 26, 28, 30
		b                                                       = 1 // the action is b's
	)
	return map[string][]byte{
		"transfer":     {0, 0, 0, 0, send, 8, 20, 0, send | b, 0, 0, 9, burst, 20, read | b, 255, 255, burst, 9, next, burst, 9},
		"loss":         {0, 0, 0, 0, send, 0, 40, 0, drop, 0, drop, 2, burst, 9, burst, 9, next, burst, 9, read | b, 9, 9},
		"two homes":    {0x41, 0, 0, 0, send, 0, 9, 0, next, burst, 9, drop, 0, drop, 0, next, drop, 0, next, next, burst, 99},
		"shutdown":     {0, 0, 0, 0, send, 0, 9, 0, end | 64, burst, 9, end | 64 | b, drop, 0, next, burst, 9},
		"abort":        {0, 0, 0, 0, send, 0, 9, 0, end, burst, 9},
		"cold, both":   {0x0c, 0, 0, 0, restart, 2, restart | b, 2, deliver, deliver, deliver, deliver, burst, 9},
		"restart":      {0, 0, 0, 0, send, 0, 9, 0, burst, 9, restart, 3, burst, 9, send | b, 0, 0, 1},
		"small window": {0, 1, 1, 0, send, 0, 90, 0, burst, 30, next, burst, 9, read | b, 255, 255, burst, 9},
		"forged":       {0, 0, 0, 0, send, 0, 9, 0, forge | b, 0, 1, 0, 0, 9, 0, forge, 2, 1, 9, 9, 0, forge | b, 4, 0, 0, 0, 0},
		"changed":      {0, 0, 0, 0, send, 0, 9, 0, mutate, 0, 0, 0, 7, 1, burst, 9, mutate, 0, 3, 0, 4, 5, burst, 9},
		"clock":        {0, 0, 0, 0, send, 0, 9, 0, clock, 200, 0, burst, 9, clock | b, 100, 0, wait, 1, 0, burst, 9, double, 0, pickOne, 1},
		"moved":        {0, 0, 0, 0, send, 0, 9, 0, move, 0, 1, burst, 9, send | b, 0, 0, 9, burst, 9},
		"own chunk":    {0, 0, 0, 0, raw, 2, 0xc0, 0, 0, 8, 1, 2, 3, 4, 0, burst, 9},
	}
}

// captured turns captured packets into a program that gives their chunks, with the
// right tags, to both ends in turn.
func captured(packets [][]byte) []byte {
	code := []byte{0, 0, 0, 0}
	for i, b := range packets {
		pkt, err := wire.Parse(b)
		if err != nil {
			continue
		}
		for c := range pkt.Chunks() {
			n := len(c.Bytes()) / 4
			if n > 255 || len(code) > 3000 {
				continue
			}
			code = append(code, 20|byte(i&1), byte(n))
			code = append(code, c.Bytes()[:4*n]...)
			code = append(code, 0)
		}
	}
	return code
}

// FuzzPair lets two associations talk while the input, a program of actions, sends,
// loses, doubles, changes and makes up packets with right tags and checksums, lets
// time pass, ends and restarts them. See coresim.Play for what must hold.
func FuzzPair(f *testing.F) {
	for _, p := range programs() {
		f.Add(p)
	}
	packets := seeds(f, "../sctp/wire/testdata/*.pcapng")
	for i := 0; i < len(packets); i += 60 {
		f.Add(captured(packets[i:min(i+60, len(packets))]))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 8<<10 {
			return
		}
		if err := coresim.Play(program, nil); err != nil {
			_ = coresim.Play(program, func(line string) { t.Log(line) })
			t.Fatal(err)
		}
	})
}
