//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
)

// A view is what a registrar knows: the homes of the elements, and the checksums of the
// registrars.
type view struct {
	homes     map[string]string
	checksums map[string]string
}

func (v view) elements() []string { return slices.Sorted(maps.Keys(v.homes)) }

// viewOfOurs asks a registrar of ours.
func viewOfOurs(n node) (view, error) {
	c := http.Client{Timeout: 5 * time.Second}
	r, err := c.Get("http://" + n.addr() + ":9980/api/status")
	if err != nil {
		return view{}, err
	}
	defer r.Body.Close()
	var st registrar.Status
	if err := json.NewDecoder(r.Body).Decode(&st); err != nil {
		return view{}, err
	}
	v := view{map[string]string{}, map[string]string{st.Registrar.ID: st.Registrar.Checksum}}
	for _, p := range st.Peers {
		v.checksums[p.ID] = p.Checksum
	}
	for _, p := range st.Pools {
		for _, e := range p.Elements {
			id, err := strconv.ParseUint(e.ID, 0, 32)
			if err != nil {
				return view{}, err
			}
			v.homes[elementKey(p.Pool, uint32(id))] = e.Home
		}
	}
	return v, nil
}

var dumpOwner = regexp.MustCompile(`- \$([0-9a-f]{8}) -> "([^"]*)" / \$([0-9a-f]{8})`)

// viewOf asks a registrar of rsplib's. The program that asks is a peer for ten seconds.
func viewOf(t testing.TB, m machine) view {
	v := view{homes: map[string]string{}}
	for _, f := range dumpOwner.FindAllStringSubmatch(handlespaceOf(t, r3, m.addr()), -1) {
		v.homes[f[2]+"/"+f[3]] = "0x" + f[1]
	}
	return v
}

// disagreement says what is wrong with the views of our registrars, if anything.
func (s *mixedScope) disagreement() string {
	want := s.elements()
	var views []view
	for i, n := range s.ours {
		v, err := viewOfOurs(n)
		if err != nil {
			return err.Error()
		}
		if got := v.elements(); !slices.Equal(got, want) {
			return fmt.Sprintf("ours-%d: %s", i, difference(got, want))
		}
		views = append(views, v)
	}
	for key, home := range views[0].homes {
		if other := views[1].homes[key]; other != home {
			return fmt.Sprintf("%s is at home at %s and at %s", key, home, other)
		}
		id, err := strconv.ParseUint(home, 0, 32)
		if err != nil || !slices.Contains(s.ids, uint32(id)) {
			return fmt.Sprintf("%s is at home at %s", key, home)
		}
	}
	for _, id := range s.ids {
		id := fmt.Sprintf("0x%08x", id)
		if a, b := views[0].checksums[id], views[1].checksums[id]; a != b {
			return fmt.Sprintf("the checksum of %s is %s and %s", id, a, b)
		}
	}
	return ""
}

// compare requires that a registrar of rsplib's knows all elements that are there, and
// notes what else it knows, or knows otherwise than ours: an element that died without
// its home being alive to notice stays with rsplib until the end of its life.
func (s *mixedScope) compare(name string, m machine) {
	s.t.Helper()
	ours, err := viewOfOurs(s.ours[0])
	require.NoError(s.t, err)
	var theirs view
	missing := ""
	require.Eventually(s.t, func() bool {
		theirs = viewOf(s.t, m)
		missing = ""
		for _, key := range s.elements() {
			if theirs.homes[key] == "" {
				missing += " " + key
			}
		}
		return missing == ""
	}, 20*time.Second, time.Second, "%s: missing:%s", name, &missing)
	different := 0
	for key, home := range theirs.homes {
		if ours.homes[key] != home {
			different++
			s.t.Logf("%s: %s at home at %s, for ours %q", name, key, home, ours.homes[key])
		}
	}
	s.t.Logf("%s: knows all %d elements, %d otherwise than ours", name, len(s.elements()), different)
}

func difference(got, want []string) string {
	var b strings.Builder
	for _, e := range got {
		if !slices.Contains(want, e) {
			fmt.Fprintf(&b, " dead: %s", e)
		}
	}
	for _, e := range want {
		if !slices.Contains(got, e) {
			fmt.Fprintf(&b, " missing: %s", e)
		}
	}
	return b.String()
}
