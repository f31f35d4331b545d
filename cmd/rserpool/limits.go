package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/registrar/core"
)

// limitFlag is the value of --limit: what others can make a registrar hold and do.
// Numbers are kept as text too, so that a command line can be repeated.
type limitFlag struct {
	limits core.Limits
	given  []string
}

// limitNames are the names in the order of the help text.
var limitNames = []string{
	"elements", "pools", "elements-per-pool", "elements-per-source", "addresses", "peers", "connections", "connections-per-source",
	"source-bits", "default-items", "page-elements", "page-bytes", "subscriptions", "keep-alives", "element-dials",
	"registrations-per-source", "registrations-per-pool", "resolutions-per-source", "resolutions-per-pool", "reports-per-source", "reports-per-pool",
}

// count is the limit of a number of things, nil if there is none of that name.
func (l *limitFlag) count(name string) *int {
	return map[string]*int{
		"elements": &l.limits.Elements, "pools": &l.limits.Pools, "elements-per-pool": &l.limits.ElementsPerPool,
		"elements-per-source": &l.limits.ElementsPerSource, "addresses": &l.limits.Addresses, "peers": &l.limits.Peers,
		"connections": &l.limits.Connections, "connections-per-source": &l.limits.ConnectionsPerSource,
		"source-bits": &l.limits.SourceBits, "default-items": &l.limits.DefaultItems,
		"page-elements": &l.limits.PageElements, "page-bytes": &l.limits.PageBytes,
		"subscriptions": &l.limits.Subscriptions, "keep-alives": &l.limits.KeepAlives, "element-dials": &l.limits.ElementDials,
	}[name]
}

// rate is the limit of something in a second, nil if there is none of that name.
func (l *limitFlag) rate(name string) *float64 {
	return map[string]*float64{
		"registrations-per-source": &l.limits.Registrations.Source, "registrations-per-pool": &l.limits.Registrations.Pool,
		"resolutions-per-source": &l.limits.Resolutions.Source, "resolutions-per-pool": &l.limits.Resolutions.Pool,
		"reports-per-source": &l.limits.Reports.Source, "reports-per-pool": &l.limits.Reports.Pool,
	}[name]
}

// Set reads NAME=NUMBER; the number may be "none".
func (l *limitFlag) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("not NAME=NUMBER")
	}
	switch n, r := l.count(name), l.rate(name); {
	case n != nil && value == "none":
		*n = -1
	case n != nil:
		v, err := strconv.Atoi(value)
		if err != nil || v < 1 {
			return fmt.Errorf("%s is a number from 1, or none", name)
		}
		*n = v
	case r != nil && value == "none":
		*r = -1
	case r != nil:
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !(v > 0 && v < 1e9) {
			return fmt.Errorf("%s is a number in a second above 0, or none", name)
		}
		*r = v
	default:
		return fmt.Errorf("unknown limit (%s)", strings.Join(limitNames, ", "))
	}
	l.given = append(l.given, s)
	return nil
}

func (l *limitFlag) Type() string    { return "NAME=N" }
func (l *limitFlag) String() string  { return strings.Join(l.given, ",") }
func (l *limitFlag) names() []string { return limitNames }

// Append, Replace and GetSlice make it a list.
func (l *limitFlag) Append(s string) error { return l.Set(s) }

// Replace sets the limits of a list and no other.
func (l *limitFlag) Replace(list []string) error {
	*l = limitFlag{}
	for _, s := range list {
		if err := l.Set(s); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice returns what was set.
func (l *limitFlag) GetSlice() []string { return l.given }

// accessFlag is the value of --access: rules, the first of which that matches decides.
type accessFlag core.AccessList

// Set reads one rule and adds it.
func (a *accessFlag) Set(s string) error {
	r, err := core.ParseAccessRule(s)
	if err != nil {
		return err
	}
	*a = append(*a, r)
	return nil
}

func (a *accessFlag) Type() string   { return "rule" }
func (a *accessFlag) String() string { return strings.Join(a.GetSlice(), "; ") }

// Append, Replace and GetSlice make it a list.
func (a *accessFlag) Append(s string) error { return a.Set(s) }

// Replace sets the rules of a list and no other.
func (a *accessFlag) Replace(list []string) error {
	*a = nil
	for _, s := range list {
		if err := a.Set(s); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice returns the rules as text.
func (a *accessFlag) GetSlice() []string {
	out := make([]string, len(*a))
	for i, r := range *a {
		out[i] = r.String()
	}
	return out
}
