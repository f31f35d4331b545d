package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// checkPurity holds the non-test files of one package to what it promises.
func checkPurity(pkg string, files []*source) []string {
	rule := purityOf(pkg)
	var bad []string
	for _, s := range files {
		if rule.imports {
			bad = append(bad, impure(s)...)
			bad = append(bad, calls(s, "math/rand/v2", "be given its dice", func(f string) bool {
				return !slices.Contains(diceNames, f)
			})...)
		}
		if rule.goStmt {
			bad = append(bad, goroutines(s)...)
		}
		if rule.clock {
			bad = append(bad, calls(s, "time", "take now as an argument", func(f string) bool {
				return slices.Contains(clockFuncs, f)
			})...)
		}
	}
	if rule.vars {
		bad = append(bad, mutations(pkg, files)...)
	}
	slices.Sort(bad)
	return bad
}

func impure(s *source) (bad []string) {
	for imp, pos := range s.imports() {
		for _, no := range impureImports {
			if imp == no || strings.HasSuffix(no, "/") && strings.HasPrefix(imp, no) {
				bad = append(bad, fmt.Sprintf("%s: %s must stay pure and may not import %s", pos, s.pkg, imp))
			}
		}
	}
	return bad
}

func goroutines(s *source) (bad []string) {
	ast.Inspect(s.tree, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			bad = append(bad, fmt.Sprintf("%s: %s must stay pure and may not start goroutines", s.at(g), s.pkg))
		}
		return true
	})
	return bad
}

// calls finds the forbidden names of an imported package, whatever name the
// file gives that package; instead says what to do.
func calls(s *source, pkg, instead string, forbidden func(name string) bool) (bad []string) {
	local := ""
	for _, spec := range s.tree.Imports {
		if spec.Path.Value == `"`+pkg+`"` {
			local = defaultName(pkg)
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	switch local {
	case "":
		return nil
	case ".":
		return []string{fmt.Sprintf("%s: import %s under a name, so that its uses can be seen", s.file, pkg)}
	}
	ast.Inspect(s.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && forbidden(sel.Sel.Name) {
			bad = append(bad, fmt.Sprintf("%s: %s must %s, not use %s.%s", s.at(sel), s.pkg, instead, pkg, sel.Sel.Name))
		}
		return true
	})
	return bad
}

// defaultName is the name a package goes by: the last part of its path that is
// no version.
func defaultName(pkg string) string {
	parts := strings.Split(pkg, "/")
	last := parts[len(parts)-1]
	if len(parts) > 1 && len(last) > 1 && last[0] == 'v' && strings.Trim(last[1:], "0123456789") == "" {
		return parts[len(parts)-2]
	}
	return last
}

// mutations finds package variables that code changes: sentinels and tables
// are fine, state is not. Types are not needed to know which name is a
// package variable, so imports are left unresolved.
func mutations(pkg string, files []*source) (bad []string) {
	if len(files) == 0 {
		return nil
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Error: func(error) {}, Importer: noImporter{}}
	trees := make([]*ast.File, 0, len(files))
	for _, s := range files {
		trees = append(trees, s.tree)
	}
	// Errors are expected: nothing imported is known.
	checked, _ := conf.Check(pkg, files[0].fset, trees, info)
	changed := func(s *source, e ast.Expr) {
		id := root(e)
		if id == nil {
			return
		}
		if v, ok := info.Uses[id].(*types.Var); ok && checked != nil && v.Parent() == checked.Scope() {
			bad = append(bad, fmt.Sprintf("%s: %s must stay pure and may not change the package variable %s", s.at(id), pkg, id.Name))
		}
	}
	for _, s := range files {
		ast.Inspect(s.tree, func(n ast.Node) bool {
			for _, e := range written(n) {
				changed(s, e)
			}
			return true
		})
	}
	return bad
}

// written returns the expressions whose variable the node changes, or whose
// address it hands out so that somebody else may.
func written(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 {
			switch f.Name {
			case "delete", "clear", "copy":
				return n.Args[:1]
			}
		}
	}
	return nil
}

// root is the variable at the bottom of x.f[i].g, nil if there is none.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// noImporter resolves nothing.
type noImporter struct{}

func (noImporter) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s is not looked at", path)
}
