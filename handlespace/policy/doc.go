// Package policy selects pool elements by the policies of RFC 5356. Registrars use
// it on their handlespace, pool users on the elements in their cache.
//
//	sel, err := policy.New(rserpool.WeightedRoundRobin, policy.Options{})
//	if err != nil { … } // errors.Is(err, policy.ErrUnsupported)
//	for _, e := range elements {
//		sel.Insert(&policy.Item{ID: e.ID, Policy: e.Policy, Value: e})
//	}
//	failed := func(id rserpool.PEID) bool { return id == lastTried }
//	picked := sel.AppendSelect(nil, 1, failed)
//
// Implemented are all policies of RFC 5356 and those private ones of rsplib that
// have a format. New refuses others with ErrUnsupported. One more policy is a few
// lines: nearly all rank the elements by a number (NewSorted) or draw lots
// (NewWeighted), and Item.Taken counts what the policies with degradation need.
//
// # Order
//
// A selection of several elements returns them in the order of the policy, none
// twice, and by default only the first loses its turn (Options.MaxIncrement), as
// RFC 5356 §4.1.2 says: "Then the head SHOULD be advanced by one element." Three
// of five elements in RoundRobin are 123, 234, 345, 451, 512 and again 123.
//
// Weighted Round Robin spreads the turns of an element over the round: weights 1, 2
// and 3 give 3 2 3 1 2 3. rsplib gives 1 2 3 2 3 3.
//
// # Zero
//
// RFC 5356 §3.2 calls an element of weight 0 "not capable of providing any
// service": WeightedRoundRobin and WeightedRandom never select it. An element whose
// load is 100 % is full and not incapable: it comes last.
//
// # Degradation
//
// RFC 5356 §5.2.2 counts each time that an element is returned, whether it was the
// first of a selection or not, and starts anew with each registration. rsplib adds
// the degradation when the element registers and twice for each selection; here
// it is added once.
package policy
