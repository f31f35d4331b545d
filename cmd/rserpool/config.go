package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// notInConfig are flags that a file cannot hold.
var notInConfig = []string{"config", "help"}

// loadConfig sets the flags that a YAML file names, except those that were given on the
// command line. Names and values are those of the flags; flags that may be repeated take a
// list. Other names are errors.
func loadConfig(path string, flags *pflag.FlagSet) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return usage("%s: %v", path, err)
	}
	given := make(map[string]bool)
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = true })
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
			f := flags.Lookup(name)
			switch {
			case f == nil || f.Hidden || slices.Contains(notInConfig, name):
				return usage("%s: unknown key %q", where, name)
			case seen[name]:
				return usage("%s: %s is there twice", where, name)
			}
			seen[name] = true
			if given[name] {
				continue
			}
			if err := setFlag(flags, f, p.Value); err != nil {
				return usage("%s: %s: %w", where, name, err)
			}
		}
	}
	return nil
}

// setFlag sets a flag to the value of a node: the text that stands there, so that
// 0x10 is no number yet.
func setFlag(flags *pflag.FlagSet, f *pflag.Flag, n ast.Node) error {
	nodes := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		if _, ok := f.Value.(pflag.SliceValue); !ok {
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
		if err := flags.Set(f.Name, text); err != nil {
			return err
		}
	}
	return nil
}
