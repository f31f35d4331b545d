package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
)

// TestSimReconfigure changes lists of peers, closes scopes and lowers limits while
// registrars run and die. When all have their configuration back they agree as if nothing
// had been.
func TestSimReconfigure(t *testing.T) {
	from, to := seeds(t, 12)
	for seed := from; seed < to; seed++ {
		w := newWorld(t, seed)
		rs, es := cluster(w, 2+int(seed%2), 6)
		whole := core.Config{}
		for _, h := range rs {
			whole.Peers = append(whole.Peers, enrpAt(h))
		}
		apply := func(h *host, cfg core.Config) {
			n, ok := h.node.(*registrarNode)
			if !ok || h.stopped {
				return
			}
			w.note("%s is reconfigured: %d peers, closed=%v", h.name, len(cfg.Peers), cfg.ClosedPeers)
			require.NoError(t, n.Reconfigure(h.now(), cfg))
			h.settle()
		}
		for range 3 {
			for range 2 + w.rnd.IntN(5) {
				if w.rnd.IntN(3) == 0 {
					mishap(w, rs, es)
				} else {
					cfg := core.Config{ClosedPeers: w.rnd.IntN(2) == 0, SuggestTakeovers: w.rnd.IntN(2) == 0}
					for _, p := range whole.Peers {
						if w.rnd.IntN(3) > 0 {
							cfg.Peers = append(cfg.Peers, p)
						}
					}
					apply(rs[w.rnd.IntN(len(rs))], cfg)
				}
				w.run(time.Duration(w.rnd.IntN(1200)) * time.Millisecond)
			}
			w.healAll()
			for _, h := range rs {
				apply(h, whole)
			}
			settled(w)
		}
	}
}
