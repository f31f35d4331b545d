package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"
)

// notInConfig are flags that a file cannot hold.
var notInConfig = []string{"config", "help"}

// loadConfig sets the flags that a YAML file names, except those that were given on the
// command line. Names and values are those of the flags; flags that may be repeated take a
// list. Other names are errors.
func loadConfig(path string, c *cobra.Command) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return usage("%s: %v", path, err)
	}
	seen := make(map[string]bool)
	for _, doc := range file.Docs {
		var pairs []*ast.MappingValueNode
		switch n := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			pairs = n.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{n}
		default:
			return usage("%s: not a list of names and values", path)
		}
		for _, p := range pairs {
			name := p.Key.GetToken().Value
			where := fmt.Sprintf("%s:%d", path, p.Key.GetToken().Position.Line)
			f := c.Flags().Lookup(name)
			switch {
			case f == nil || f.Hidden || slices.Contains(notInConfig, name):
				return usage("%s: unknown key %q", where, name)
			case seen[name]:
				return usage("%s: %s is there twice", where, name)
			}
			seen[name] = true
			if f.Changed { // on the command line: a name is here once
				continue
			}
			_, list := f.Value.(interface{ GetSlice() []string })
			if err := setFlag(c, name, list, p.Value); err != nil {
				return usage("%s: %s: %w", where, name, err)
			}
		}
	}
	return nil
}

// setFlag sets a flag, which may be repeated if list, to the value of a node: the text
// that stands there, so that 0x10 is no number yet.
func setFlag(c *cobra.Command, name string, list bool, n ast.Node) error {
	nodes := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		if !list {
			return fmt.Errorf("one value expected, not a list")
		}
		nodes = seq.Values
	}
	for _, n := range nodes {
		var text string
		switch n := n.(type) {
		case *ast.StringNode:
			text = n.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			text = n.GetToken().Value
		default:
			return fmt.Errorf("not a plain value")
		}
		if err := c.Flags().Set(name, text); err != nil {
			return err
		}
	}
	return nil
}
