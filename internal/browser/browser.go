// Package browser drives a headless Chromium in tests, by the DevTools protocol over a
// pipe, so that pages are tested in what people look at them with.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// names are what the program is called, the one that starts fastest first.
var names = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// Find returns the path of a browser; the error says that there is none.
func Find() (string, error) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", errors.New("browser: no Chromium here (Debian: apt-get install chromium-headless-shell)")
}

// Browser is a running browser.
type Browser struct {
	cmd  *exec.Cmd
	in   *os.File // to the browser
	dir  string
	done chan struct{} // closed when no more answers come

	mu     sync.Mutex
	nextID int
	calls  map[int]chan answer
	pages  map[string]*Page // by session
}

// answer is a message of the browser: an answer if it has an ID, else an event.
type answer struct {
	ID      int             `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *struct{ Message string }
	Session string          `json:"sessionId"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// Start runs the browser at path, with an empty profile and no network of its own but what
// pages ask for. It must be closed.
func Start(path string) (*Browser, error) {
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		return nil, err
	}
	b := &Browser{dir: dir, done: make(chan struct{}), calls: map[int]chan answer{}, pages: map[string]*Page{}}
	args := []string{"--headless", "--remote-debugging-pipe", "--user-data-dir=" + dir, "--no-first-run", "--disable-gpu",
		"--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-extensions", "--hide-scrollbars", "--mute-audio", "--no-proxy-server",
		"--host-resolver-rules=MAP * ^NOTFOUND, EXCLUDE 127.0.0.1"}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it refuses to run as root otherwise
	}
	b.cmd = exec.Command(path, args...)
	toRead, toWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	fromRead, fromWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b.cmd.ExtraFiles = []*os.File{toRead, fromWrite} // 3 and 4
	b.in = toWrite
	err = b.cmd.Start()
	_, _ = toRead.Close(), fromWrite.Close() // the browser has its own
	if err != nil {
		_, _ = toWrite.Close(), fromRead.Close()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go b.read(fromRead)
	return b, nil
}

// Close ends the browser and removes what it has stored.
func (b *Browser) Close() error {
	_ = b.in.Close() // its end is the browser's
	kill := time.AfterFunc(3*time.Second, func() { _ = b.cmd.Process.Kill() })
	_ = b.cmd.Wait() // its exit code says nothing
	kill.Stop()
	<-b.done
	return os.RemoveAll(b.dir)
}

// read hands out messages until the browser has ended.
func (b *Browser) read(f *os.File) {
	defer close(b.done)
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(bytes.TrimSuffix(line, []byte{0}), &a) != nil {
			continue
		}
		b.mu.Lock()
		if c := b.calls[a.ID]; a.ID != 0 && c != nil {
			delete(b.calls, a.ID)
			c <- a // capacity 1
		} else if p := b.pages[a.Session]; p != nil {
			p.event(a.Method, a.Params)
		}
		b.mu.Unlock()
	}
}

// call sends a command and waits for its result.
func (b *Browser) call(ctx context.Context, session, method string, params, result any) error {
	c := make(chan answer, 1)
	b.mu.Lock()
	b.nextID++
	id := b.nextID
	b.calls[id] = c
	msg, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": session})
	if session == "" {
		msg, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.in.Write(append(msg, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case a := <-c:
		switch {
		case a.Error != nil:
			return fmt.Errorf("browser: %s: %s", method, a.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-b.done:
		return fmt.Errorf("browser: %s: it has ended", method)
	case <-ctx.Done():
		return fmt.Errorf("browser: %s: %w", method, ctx.Err())
	}
}
