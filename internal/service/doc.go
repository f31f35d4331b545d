// Package service has the services that the rserpool command runs in pools: echo,
// discard, daytime, chargen, pingpong, calcapp and fractal, which speak as rsplib's
// servers do, and files, from which [Fetch] downloads.
//
//	files, err := service.NewFiles("/srv/files")
//	pe, err := poolelement.Listen(ctx, "FilePool", cfg)
//	files.Draining = pe.Draining()
//	err = (&poolelement.Server{Handler: files}).Serve(ctx, pe)
//
//	s, err := pooluser.Dial(ctx, "FilePool")
//	f := service.NewFetch(s, "dir/name", nil)
//	info, err := f.Describe(ctx)
//	err = f.Content(ctx, 0, w)
//
// # Tour
//
//	service.go     New: a service by its name
//	simple.go      echo, discard, daytime, chargen
//	pingpong.go    the PingPong protocol, its cookie, its server
//	calcapp.go     the CalcApp service; calcappwire.go its messages and cookie
//	fractal.go     the Fractal Generator
//	filewire.go    messages and cookie of the file protocol (docs/files-protocol.md)
//	files.go       the file server; filehash.go remembers content hashes
//	fetch.go       the client: a download that goes on with the next element
//
// # What it does not do
//
// Nothing is authenticated or encrypted. The file server only reads. rsplib's
// scripting is not here.
package service
