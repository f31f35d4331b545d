package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// modeArg is a number that a mode of perf takes, from 1.
type modeArg struct {
	name     string
	most     int
	optional bool
}

// perfArgs is what the modes take. The bounds are beyond what makes sense to measure, and
// within what the client can hold.
var perfArgs = func() map[string][]modeArg {
	size := modeArg{name: "SIZE", most: maxPerfMessage}
	millis := modeArg{name: "MILLISECONDS", most: int(24 * time.Hour / time.Millisecond)}
	return map[string][]modeArg{
		"bulk":     {size, millis, {"COUNT", 1 << 20, true}},
		"timed":    {size, millis},
		"pingpong": {size, {"COUNT", 10_000_000, false}},
		"assoc":    {millis, {"PARALLEL", 1 << 16, true}},
		"idle":     {{"COUNT", 1 << 20, false}, {"SECONDS", int(24 * time.Hour / time.Second), true}},
	}
}()

// completeMode lets the shell complete the name of a mode.
func completeMode(_ *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for name := range perfArgs {
		if len(args) == 1 && strings.HasPrefix(name, start) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// modeArgs reads the numbers behind the name of a mode.
func modeArgs(mode string, args []string) ([]int, error) {
	want, ok := perfArgs[mode]
	if !ok {
		return nil, fmt.Errorf("%w: %q (bulk, timed, pingpong, assoc, idle)", errUnsupported, mode)
	}
	need, form := 0, mode
	for _, a := range want {
		if a.optional {
			form += " [" + a.name + "]"
			continue
		}
		form, need = form+" "+a.name, need+1
	}
	if len(args) < need || len(args) > len(want) {
		return nil, usage("perf client: %s: want %s", strings.Join(append([]string{mode}, args...), " "), form)
	}
	n := make([]int, 0, len(want))
	for i, text := range args {
		v, err := strconv.Atoi(text)
		if err != nil || v < 1 || v > want[i].most {
			return nil, usage("perf client: %s: %q is not a number from 1 to %d", want[i].name, text, want[i].most)
		}
		n = append(n, v)
	}
	return n, nil
}
