package fuzz

import (
	"bytes"
	"testing"

	"github.com/rserpool/rserpool/handlespace/handlespacetest"
)

// FuzzHandlespace: the input is a program of operations on a handlespace; whatever
// can be asked gets the same answers from the Space and from a naive model of maps
// and loops: contents, order of selection, owners, checksums, expiry, pages, marks.
func FuzzHandlespace(f *testing.F) {
	// Programs are made of operations, see handlespacetest; register is a 0 and then
	// handle, identifier, owner, values, oddities. These fill a pool of each policy.
	var full []byte
	for handle := byte(1); handle < 6; handle++ {
		for id := byte(1); id <= 5; id++ {
			full = append(full, 0, handle, id, id%4, id<<1, 0)
		}
	}
	f.Add(full)
	f.Add(append(bytes.Clone(full), bytes.Repeat([]byte{4, 1, 3, 0, 4, 2, 3, 0x85, 4, 4, 2, 0}, 9)...))     // select, skip
	f.Add(append(bytes.Clone(full), 10, 2, 1, 3, 11, 2, 2, 3, 12, 2, 11, 2, 3, 0, 12, 7))                   // expire
	f.Add(append(bytes.Clone(full), 13, 1, 0, 2, 1, 1, 0, 0, 8, 2, 5, 1, 14, 2, 15, 1))                     // mark, refresh, sweep
	f.Add(append(bytes.Clone(full), 16, 0, 2, 5, 0xff, 1, 1, 1, 0, 3, 3, 1, 9, 9, 16, 1, 1, 0, 0, 9, 1, 2)) // page, disturbed
	f.Fuzz(func(t *testing.T, program []byte) {
		if err := handlespacetest.Run(program[:min(len(program), 1024)]); err != nil {
			t.Fatal(err)
		}
	})
}
