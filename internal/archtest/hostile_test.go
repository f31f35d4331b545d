package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// line is a row of docs/hostile.md.
type line struct {
	ids   []string
	pkgs  []string // where its tests are
	funcs []string // tests that are named
}

var (
	hostileID   = regexp.MustCompile(`^[A-Z]\d+(, [A-Z]\d+)*$`)
	hostileTest = regexp.MustCompile(`^Test(?:Sim)?([PVCDKMHAUEFRSXZ]\d+)[A-Z]`)
	quoted      = regexp.MustCompile("`([^`]+)`")
)

func hostileLines(t *testing.T) []line {
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs/hostile.md"))
	require.NoError(t, err)
	var out []line
	for _, row := range strings.Split(string(text), "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 6 || !hostileID.MatchString(strings.TrimSpace(cells[1])) {
			continue
		}
		l := line{ids: strings.Split(strings.TrimSpace(cells[1]), ", ")}
		for _, q := range quoted.FindAllStringSubmatch(cells[4], -1) {
			l.pkgs = append(l.pkgs, q[1])
		}
		for _, q := range quoted.FindAllStringSubmatch(cells[3], -1) {
			if strings.HasPrefix(q[1], "Fuzz") || strings.HasPrefix(q[1], "Test") {
				l.funcs = append(l.funcs, q[1])
			}
		}
		out = append(out, l)
	}
	return out
}

// Every line of docs/hostile.md has tests of its name where the page says, and every
// such test of the transport is in a package that the page names.
func TestHostileLinesAreTested(t *testing.T) {
	all, err := load(moduleRoot(t))
	require.NoError(t, err)
	exists := map[string]bool{}     // names of test functions
	has := map[[2]string]bool{}     // id and package
	byPkg := map[[2]string]string{} // the same, an example
	for _, s := range all {
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !s.test || f.Recv != nil {
				continue
			}
			exists[f.Name.Name] = true
			if m := hostileTest.FindStringSubmatch(f.Name.Name); m != nil {
				has[[2]string{m[1], s.pkg}] = true
				byPkg[[2]string{m[1], s.pkg}] = f.Name.Name
			}
		}
	}
	lines := hostileLines(t)
	require.Greater(t, len(lines), 70)
	pkgs := map[string][]string{}
	for _, l := range lines {
		require.NotEmpty(t, append(slices.Clone(l.pkgs), l.funcs...), "%v has no tests", l.ids)
		for _, name := range l.funcs {
			require.True(t, exists[name], "%v: there is no %s", l.ids, name)
		}
		for _, id := range l.ids {
			pkgs[id] = l.pkgs
			for _, p := range l.pkgs {
				require.True(t, has[[2]string{id, p}], "no test of %s is called Test%s… although docs/hostile.md says so", p, id)
			}
		}
	}
	for k, name := range byPkg {
		if strings.HasPrefix(k[1], "sctp") {
			require.Contains(t, pkgs[k[0]], k[1], "%s: docs/hostile.md, line %s, does not name the package", name, k[0])
		}
	}
}
