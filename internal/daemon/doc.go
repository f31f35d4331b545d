// Package daemon is what the registrar command adds around the registrar library:
// Prometheus metrics, profiles, and an HTTP server for all of it.
package daemon
