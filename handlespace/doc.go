// Package handlespace is the database of a registrar: pools, the elements
// registered in them, and which registrar each element belongs to.
//
//	s := handlespace.New(handlespace.Options{})
//	change, err := s.Register(now, "EchoPool", element) // add, update or refresh
//	s.SetExpiry("EchoPool", element.ID, now.Add(life))
//	elements, policy, ok := s.Select("EchoPool", 3) // by the pool's policy
//	for _, gone := range s.Expire(now) {
//		// tell the peers about gone
//	}
//
// A Space is safe for concurrent use. It has no clock and no timer, and it sends
// nothing: the time is passed in, and whoever changes the handlespace gets the
// change returned. Everything it returns is in order of handle and identifier
// wherever the policy asks for no other, so that a run can be repeated.
//
// # Costs
//
// With n elements, registration, re-registration, deregistration and a change of
// owner or expiry take O(log n), selecting k elements O(k log n), a checksum O(1),
// marking for re-synchronisation O(1), and a page of a handle table
// O(log n + page). Selecting into a slice with room allocates nothing, nor does a
// re-registration that changes nothing. Selections in different pools run at the
// same time, and so do all other readers; a writer waits for them and they for it.
//
// # What it does not do
//
// It does not judge who may register, deregister or take over an element, count
// unreachability reports, or interpret the unit of a registration life: that is
// the registrar's business. Cookies, transports and addresses are stored as given.
//
// # Specifications
//
//   - RFC 5352 §3.1, §3.2: the rules of registration that concern the pool, with
//     the error causes of RFC 5354 §3.12
//   - RFC 5353 §3.2.3: handle tables in pages; §3.6.2: PE checksum; §3.6.3: mark
//     and sweep
//   - RFC 5356: policies, see package policy
package handlespace
