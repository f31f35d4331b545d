package daemon

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ownHost refuses what a browser was made to ask for by another page, on a listener of the
// loopback address: a name of somebody's that leads to this host (DNS rebinding) is in the
// Host header, which must be an address, localhost, or the name that was listened on.
func ownHost(at net.Addr, address string, h http.Handler) http.Handler {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
		return h
	}
	own, _, _ := net.SplitHostPort(address)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		name = strings.ToLower(strings.Trim(name, "[]"))
		_, err := netip.ParseAddr(name)
		if err != nil && name != "localhost" && !strings.HasSuffix(name, ".localhost") && name != strings.ToLower(own) {
			http.Error(w, "this address is not served under that name", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}
