package fuzz

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool/csp"
)

// FuzzCSP: component status reports of anybody. What can be read is written the same way,
// but for characters that a terminal would obey.
func FuzzCSP(f *testing.F) {
	r := &csp.Report{Sender: csp.NewID(csp.Registrar, 1), Uptime: time.Second, Interval: time.Second, Location: "here", Status: "well", Workload: 0.25,
		Associations: []csp.Association{{Receiver: csp.NewID(csp.PoolUser, 2), Duration: csp.Unknown, Protocol: 132, PPID: 12}}}
	f.Add(r.AppendTo(nil))
	r.Associations, r.Final, r.Workload = nil, true, csp.NoWorkload
	f.Add(r.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := csp.Decode(b)
		if err != nil {
			require.Nil(t, r)
			return
		}
		again, err := csp.Decode(r.AppendTo(nil))
		require.NoError(t, err)
		r.Location, r.Status = again.Location, again.Status
		r.Associations = r.Associations[:min(len(r.Associations), csp.MaxAssociations)]
		if len(r.Associations) == 0 {
			r.Associations = nil
		}
		require.Equal(t, r, again)
	})
}
