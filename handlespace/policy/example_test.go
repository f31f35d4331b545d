package policy_test

import (
	"fmt"

	"github.com/rserpool/rserpool/handlespace/policy"
	"github.com/rserpool/rserpool/rserpool"
)

// A pool user selects from its cache and passes over the element that just failed.
func Example() {
	sel, err := policy.New(rserpool.LeastUsed, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for id, load := range map[rserpool.PEID]float64{1: 0.5, 2: 0.1, 3: 0.3} {
		sel.Insert(&policy.Item{ID: id, Policy: rserpool.Policy{Load: rserpool.LoadOf(load)}, Value: fmt.Sprint("server ", id)})
	}
	failed := map[rserpool.PEID]bool{2: true}
	for _, it := range sel.AppendSelect(nil, 2, func(id rserpool.PEID) bool { return failed[id] }) {
		fmt.Println(it.Value)
	}
	// Output:
	// server 0x00000003
	// server 0x00000001
}
