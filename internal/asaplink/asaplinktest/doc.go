// Package asaplinktest has what tests of pool elements and pool users need: hosts on
// a simulated network, and a registrar of few lines whose behaviour a test decides.
// The simulated network runs on the time package, so it belongs into a
// testing/synctest bubble.
//
//	w := asaplinktest.NewWorld(t)
//	r := w.Registrar(1)                       // on 10.0.0.1
//	pe, err := poolelement.Listen(ctx, "pool", &poolelement.Config{
//		Registrars: []string{r.Address()}, Stack: w.Stack(2),
//	})
//	w.Cut(1)                                  // the host vanishes
//
// The registrar has no peers, no timers and no limits.
package asaplinktest
