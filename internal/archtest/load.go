package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A source is one parsed Go file.
type source struct {
	pkg  string // path of its folder inside the module, "." for the root
	file string // path inside the module
	test bool   // a _test.go file
	tree *ast.File
	fset *token.FileSet
}

// imports returns the file's import paths and where each stands.
func (s *source) imports() map[string]token.Position {
	all := map[string]token.Position{}
	for _, spec := range s.tree.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			all[p] = s.fset.Position(spec.Pos())
		}
	}
	return all
}

func (s *source) at(n ast.Node) token.Position { return s.fset.Position(n.Pos()) }

// parse makes a source of text; name is its path inside the module.
func parse(fset *token.FileSet, name string, text []byte) (*source, error) {
	tree, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{
		pkg: path.Dir(name), file: name, test: strings.HasSuffix(name, "_test.go"),
		tree: tree, fset: fset,
	}, nil
}

// load parses every Go file of the module at root, nested modules, testdata
// and hidden folders left out.
func load(root string) ([]*source, error) {
	fset := token.NewFileSet()
	var all []*source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && skipped(p, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s, err := parse(fset, filepath.ToSlash(rel), text)
		if err == nil {
			all = append(all, s)
		}
		return err
	})
	return all, err
}

func skipped(dir, name string) bool {
	if name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
