package main

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// describe returns one line for each exported constant, variable, function,
// type, field and method of pkg, sorted.
func describe(pkg *types.Package) []string {
	d := describer{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if obj := pkg.Scope().Lookup(name); obj.Exported() {
			d.object(obj)
		}
	}
	slices.Sort(d.lines)
	return slices.Compact(d.lines)
}

type describer struct {
	pkg   *types.Package
	lines []string
}

func (d *describer) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// qualify names other packages by their name only; the package itself not at
// all.
func (d *describer) qualify(p *types.Package) string {
	if p == d.pkg {
		return ""
	}
	return p.Name()
}

func (d *describer) typ(t types.Type) string { return types.TypeString(t, d.qualify) }

// signature is a function's parameters and results without the word func.
func (d *describer) signature(f *types.Func) string {
	return strings.TrimPrefix(d.typ(f.Type()), "func")
}

func (d *describer) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		d.add("const %s %s = %s", obj.Name(), d.typ(obj.Type()), obj.Val())
	case *types.Var:
		d.add("var %s %s", obj.Name(), d.typ(obj.Type()))
	case *types.Func:
		d.add("func %s%s", obj.Name(), d.signature(obj))
	case *types.TypeName:
		d.typeName(obj)
	}
}

func (d *describer) typeName(obj *types.TypeName) {
	if obj.IsAlias() {
		d.add("type %s = %s", obj.Name(), d.typ(types.Unalias(obj.Type())))
		return
	}
	name := d.typ(obj.Type()) // with type parameters
	switch u := obj.Type().Underlying().(type) {
	case *types.Struct:
		d.structure(name, u)
	case *types.Interface:
		d.iface(name, u)
		return // its methods are its lines
	default:
		d.add("type %s %s", name, d.typ(u))
	}
	d.methods(obj)
}

func (d *describer) structure(name string, s *types.Struct) {
	d.add("type %s struct", name)
	for f := range s.Fields() {
		switch {
		case !f.Exported():
		case f.Embedded():
			d.add("type %s struct, embedded %s", name, d.typ(f.Type()))
		default:
			d.add("type %s struct, %s %s", name, f.Name(), d.typ(f.Type()))
		}
	}
}

func (d *describer) iface(name string, i *types.Interface) {
	d.add("type %s interface", name)
	for m := range i.Methods() {
		if m.Exported() {
			d.add("type %s interface, %s%s", name, m.Name(), d.signature(m))
		} else {
			// Nobody else can implement it: that is part of the API.
			d.add("type %s interface, unexported methods", name)
		}
	}
	for e := range i.EmbeddedTypes() {
		if _, ok := e.Underlying().(*types.Interface); !ok {
			d.add("type %s interface, %s", name, d.typ(e))
		}
	}
}

// methods lists the method set, promoted methods included: callers see no
// difference.
func (d *describer) methods(obj *types.TypeName) {
	byValue := types.NewMethodSet(obj.Type())
	all := types.NewMethodSet(types.NewPointer(obj.Type()))
	for sel := range all.Methods() {
		f := sel.Obj().(*types.Func)
		if !f.Exported() {
			continue
		}
		recv := "*" + obj.Name()
		if byValue.Lookup(f.Pkg(), f.Name()) != nil {
			recv = obj.Name()
		}
		d.add("method (%s) %s%s", recv, f.Name(), d.signature(f))
	}
}
