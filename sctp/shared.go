package sctp

import (
	"reflect"
	"time"

	"github.com/rserpool/rserpool/sctp/core"
)

// shared is what the latest Config was resolved to. Who opens thousands of associations
// does it with one Config: they all refer to one set of parameters, which is a tenth
// of what an idle one takes.
type shared struct {
	cfg       *Config // as given, and what was in it then
	was       Config
	stack     stackFacts
	settings  *settings
	machine   *core.Config
	validated error
}

// stackFacts is what of a stack goes into the parameters of associations.
type stackFacts struct {
	heartbeat time.Duration
	overhead  int
	whole     bool
}

func (s *Stack) facts() stackFacts {
	f := stackFacts{overhead: s.overhead(), whole: s.dontFragment()}
	if !s.encapsulates() {
		f.heartbeat = plainHeartbeat
	}
	return f
}

// parameters resolves and checks a Config.
func (s *Stack) parameters(c *Config) (*settings, *core.Config, error) {
	facts := s.facts()
	k := s.latest.Load()
	if k == nil || k.cfg != c || k.stack != facts || c != nil && !sameConfig(c, &k.was) {
		st, machine := c.resolve(s)
		k = &shared{cfg: c, stack: facts, settings: st, machine: machine.Shared(), validated: c.check(machine)}
		if c != nil {
			k.was = *c
		}
		s.latest.Store(k)
	}
	return k.settings, k.machine, k.validated
}

// sameConfig compares two Configs field by field. Functions are the same if their code
// is: a Config must not be changed while it is in use, so this is about the slip of who
// sets a number between two calls.
func sameConfig(a, b *Config) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range x.NumField() {
		f, g := x.Field(i), y.Field(i)
		if f.Kind() == reflect.Func {
			if f.Pointer() != g.Pointer() {
				return false
			}
		} else if !f.Equal(g) {
			return false
		}
	}
	return true
}
