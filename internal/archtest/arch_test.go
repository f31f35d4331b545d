package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// moduleRoot is the folder of go.mod; tests run in their package's folder.
func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	return root
}

// packages groups sources by package, test files left out.
func packages(all []*source) map[string][]*source {
	byPkg := map[string][]*source{}
	for _, s := range all {
		if !s.test {
			byPkg[s.pkg] = append(byPkg[s.pkg], s)
		}
	}
	return byPkg
}

func TestArchitecture(t *testing.T) {
	all, err := load(moduleRoot(t))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	byPkg := packages(all)

	t.Run("every package is in the rules", func(t *testing.T) {
		var names []string
		for p := range byPkg {
			names = append(names, p)
		}
		slices.Sort(names)
		require.Empty(t, unknown(names))
	})
	t.Run("imports follow the arrows", func(t *testing.T) {
		for _, s := range all {
			for _, bad := range checkImports(s) {
				t.Error(bad)
			}
		}
	})
	t.Run("pure packages are pure", func(t *testing.T) {
		for p, files := range byPkg {
			for _, bad := range checkPurity(p, files) {
				t.Error(bad)
			}
		}
	})
}

func TestArrowsHaveNoCycle(t *testing.T) {
	for p, direct := range arrows {
		require.False(t, reach(direct)[p], "%s reaches itself", p)
		for _, to := range direct {
			require.Contains(t, arrows, to, "%s has an arrow to an unknown package", p)
		}
	}
}
