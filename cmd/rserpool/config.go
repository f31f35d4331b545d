package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rserpool/rserpool/internal/cli"
)

// notInConfig are flags that a file cannot hold.
var notInConfig = []string{"config", "check-config", "help"}

// named is the value of a flag that is a list of NAME=VALUE, and in a file a mapping.
type named interface {
	pflag.Value
	names() []string
}

// places says where in a file a flag got its value: FILE:LINE by the flag's name.
type places map[string]string

// loadConfig sets the flags that a YAML file names, except those that were given on the
// command line. Names and values are those of the flags; flags that may be repeated take a
// list, those of names and values a mapping. Other names are errors.
func loadConfig(path string, c *cobra.Command) (places, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, usage("%s: %v", path, err)
	}
	from, seen := make(places), make(map[string]bool)
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		pairs, ok := pairsOf(doc.Body)
		if !ok {
			return nil, usage("%s: not a list of names and values", path)
		}
		for _, p := range pairs {
			name := p.Key.GetToken().Value
			where := fmt.Sprintf("%s:%d", path, p.Key.GetToken().Position.Line)
			f := c.Flags().Lookup(name)
			switch {
			case f == nil || f.Hidden || slices.Contains(notInConfig, name):
				return nil, usage("%s: unknown key %q", where, name)
			case seen[name]:
				return nil, usage("%s: %s is there twice", where, name)
			}
			seen[name] = true
			if f.Changed { // on the command line: a name is here once
				continue
			}
			from[name] = where
			if err := setFlag(path, f, c.Flags(), p.Value); err != nil {
				return nil, err
			}
		}
	}
	return from, nil
}

// pairsOf returns the names and values of a mapping; one with a single pair is a
// node of its own kind.
func pairsOf(n ast.Node) (pairs []*ast.MappingValueNode, ok bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// setFlag sets a flag to the value of a node. Errors name the line of what is wrong.
func setFlag(path string, f *pflag.Flag, flags *pflag.FlagSet, n ast.Node) error {
	at := func(n ast.Node, format string, a ...any) error {
		return usage("%s:%d: %s: %w", path, n.GetToken().Position.Line, f.Name, fmt.Errorf(format, a...))
	}
	set := func(n ast.Node, prefix string) error {
		text, ok := scalar(n)
		if !ok {
			return at(n, "not a plain value")
		}
		if err := setText(f, flags, prefix+text); err != nil {
			return at(n, "%w", err)
		}
		return nil
	}
	if _, ok := f.Value.(named); ok {
		pairs, ok := pairsOf(n)
		if !ok {
			return at(n, "names and values expected")
		}
		for _, p := range pairs {
			if err := set(p.Value, p.Key.GetToken().Value+"="); err != nil {
				return err
			}
		}
		return nil
	}
	nodes := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		if _, list := f.Value.(pflag.SliceValue); !list {
			return at(n, "one value expected, not a list")
		}
		nodes = seq.Values
	}
	for _, n := range nodes {
		if err := set(n, ""); err != nil {
			return err
		}
	}
	return nil
}

// scalar is the text of a node that is a plain value, as it stands there: 0x10 is no
// number yet.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// setText sets a flag and says what is allowed if that is not.
func setText(f *pflag.Flag, flags *pflag.FlagSet, text string) error {
	err := flags.Set(f.Name, text)
	var invalid *pflag.InvalidValueError
	if err == nil || !errors.As(err, &invalid) {
		return err
	}
	return cli.ValueError(invalid)
}

// locate turns what is said about a flag into what is wrong at a place of the file, if
// the value comes from there.
func (p places) locate(err error) error {
	var u usageError
	if !errors.As(err, &u) {
		return err
	}
	name, rest, ok := strings.Cut(strings.TrimPrefix(u.Error(), "--"), ":")
	if where := p[name]; ok && where != "" {
		return usage("%s: %s:%s", where, name, rest)
	}
	return err
}

// given is the part of a command line that has set flags, before a file does.
func given(c *cobra.Command) (args []string) {
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	return args
}
