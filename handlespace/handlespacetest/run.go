// Package handlespacetest checks a handlespace.Space against a naive model of maps
// and sorted lists. Tests feed it random programs, the fuzzer feeds it evolved
// ones.
package handlespacetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// Run interprets program as a series of operations on an empty Space and on the
// model, and returns an error at the first difference between the two. Every
// program is valid. Handles, identifiers, owners and values come from small sets,
// and limits are low, so that operations meet.
func Run(program []byte) error {
	opts := handlespace.Options{
		MaxPools:           maxPools,
		MaxElements:        maxElements,
		MaxElementsPerPool: maxPerPool,
		MaxElementBytes:    maxElementBytes,
		MaxPoolHandle:      maxHandle,
		Portable:           portable,
		Policy:             policy.Options{Rand: rand.NewPCG(1, 2).Uint64},
	}
	r := &runner{
		program: program,
		space:   handlespace.New(opts),
		model:   model{pools: map[rserpool.PoolHandle]*modelPool{}},
		now:     time.Unix(1_000_000, 0),
	}
	for n := 0; len(r.program) > 0; n++ {
		op := operations[int(r.next())%len(operations)]
		if err := op.do(r); err != nil {
			return fmt.Errorf("operation %d, %s: %w", n, op.name, err)
		}
		if err := r.compareSums(); err != nil {
			return fmt.Errorf("after operation %d, %s: %w", n, op.name, err)
		}
		if n%8 == 0 || len(r.program) == 0 {
			if err := r.compareAll(); err != nil {
				return fmt.Errorf("after operation %d, %s: %w", n, op.name, err)
			}
		}
	}
	return nil
}

// The limits of the Space, which the model applies too.
const (
	maxPools        = 4
	maxElements     = 14
	maxPerPool      = 5
	maxElementBytes = 300
	maxHandle       = 6
)

// portable is Options.Portable: handles and attributes matter.
func portable(h rserpool.PoolHandle, pe *rserpool.PoolElement, _ int) bool {
	return len(h) < 5 && pe.ASAP == nil
}

// handles are the pool handles in use, in order. The last is beyond maxHandle.
var handles = []rserpool.PoolHandle{"", "\x00", "a", "ab", "abcde", "b", "zzzzzzz"}

// owners are the registrars in use, in order.
var owners = []rserpool.RegistrarID{0, 1, 2, 0xffffffff}

// operations are what programs consist of. Some stand there more than once because
// the handlespace would hardly fill up otherwise.
var operations = []struct {
	name string
	do   func(*runner) error
}{
	{"register", (*runner).register},
	{"register", (*runner).register},
	{"register", (*runner).register},
	{"register", (*runner).register},
	{"select", (*runner).sel},
	{"select", (*runner).sel},
	{"select", (*runner).sel},
	{"deregister", (*runner).deregister},
	{"set owner", (*runner).setOwner},
	{"take over", (*runner).takeOver},
	{"set expiry", (*runner).setExpiry},
	{"set expiry", (*runner).setExpiry},
	{"expire", (*runner).expire},
	{"mark", (*runner).mark},
	{"unmark", (*runner).unmark},
	{"sweep", (*runner).sweep},
	{"page", (*runner).page},
}

// runner is the state of one Run.
type runner struct {
	program []byte
	space   *handlespace.Space
	model   model
	now     time.Time
}

// next is the next byte of the program, 0 behind its end.
func (r *runner) next() byte {
	if len(r.program) == 0 {
		return 0
	}
	b := r.program[0]
	r.program = r.program[1:]
	return b
}

func (r *runner) handle() rserpool.PoolHandle { return handles[int(r.next())%len(handles)] }
func (r *runner) owner() rserpool.RegistrarID { return owners[int(r.next())%len(owners)] }
func (r *runner) id() rserpool.PEID           { return rserpool.PEID(r.next() % 12) }

// differ is the error for a result that is not the model's.
func differ(what string, got, want any) error {
	return fmt.Errorf("%s is %v, want %v", what, got, want)
}
