package sctp

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// order empties the heap as the timer would and returns the associations.
func (s *alarms) order() []*Association {
	var as []*Association
	for len(s.heap) > 0 {
		a := s.heap[0].a
		s.remove(a)
		as = append(as, a)
	}
	return as
}

// The first deadline is at the top whatever was entered, moved and taken out before, and
// each association knows its place.
func TestAlarmsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			s := &alarms{base: time.Now()}
			at := map[*Association]time.Duration{}
			all := make([]*Association, 100)
			for i := range all {
				all[i] = &Association{}
			}
			for range 1000 {
				a := all[dice.IntN(len(all))]
				if dice.IntN(3) == 0 {
					s.forget(a)
					delete(at, a)
					continue
				}
				at[a] = time.Hour + time.Duration(dice.IntN(1000))
				s.wake(a, at[a])
			}
			for i, e := range s.heap {
				require.EqualValues(t, i+1, e.a.alarm)
				require.Equal(t, at[e.a], e.at)
			}
			s.stop()
			rang := s.order()
			require.Len(t, rang, len(at))
			for i := 1; i < len(rang); i++ {
				require.LessOrEqual(t, at[rang[i-1]], at[rang[i]])
			}
			require.Nil(t, s.heap)
		}
	})
}

// Each alarm rings at its time, also one that is set to be earlier, and one that was
// taken out does not. There is one timer for all.
func TestAlarmsRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &alarms{base: time.Now()}
		as := make([]*Association, 5)
		for i := range as {
			as[i] = &Association{done: true} // onAlarm does no more than clear armed
			as[i].armed = 1
			s.wake(as[i], time.Duration(i+1)*time.Second)
		}
		s.wake(as[4], 1500*time.Millisecond)
		s.forget(as[1])
		rang := func(a *Association) bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.armed == 0
		}
		for _, tc := range []struct {
			at   time.Duration
			rang [5]bool
		}{
			{900 * time.Millisecond, [5]bool{}},
			{1100 * time.Millisecond, [5]bool{true}},
			{1600 * time.Millisecond, [5]bool{true, false, false, false, true}},
			{5 * time.Second, [5]bool{true, false, true, true, true}},
		} {
			time.Sleep(time.Until(s.base.Add(tc.at)))
			synctest.Wait()
			for i, a := range as {
				require.Equal(t, tc.rang[i], rang(a), "association %d after %v", i, tc.at)
			}
		}
		require.Empty(t, s.heap)
	})
}
