// Package fuzz holds the fuzz targets of the whole project and their corpus; it
// has tests only. README.md says how to run one and how to add one.
package fuzz
