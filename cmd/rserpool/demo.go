package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

const (
	demoPool       = "demo"
	demoFile       = "data.bin"
	demoRegistrars = 3
	demoServers    = 3
	// minDemo is the least size at which there is something left to send after each
	// kill, buffers notwithstanding.
	minDemo = 64 << 10
	// pace is how long the download takes at least, without the pauses: faster, it
	// could be over before a kill arrives.
	pace = 2 * time.Second
	// demoStep bounds each step of the demo.
	demoStep = 20 * time.Second
)

func demoCommand() *cobra.Command {
	size := byteSize(256 << 20)
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch a download survive two dead servers and a dead registrar",
		Long: `Start three registrars, three file servers and a download, all of them
processes of their own on 127.0.0.1, and kill (SIGKILL) the server in use at a
quarter, its successor's home registrar at the half, and that server at three
quarters of the download. The third server finishes it. Everything is cleaned
up in the end.`,
		Example: `  rserpool demo
  rserpool demo --size 1G`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if size < minDemo {
				return usage("demo: --size: at least %d bytes", minDemo)
			}
			return runDemo(c, int64(size))
		},
	}
	c.Flags().Var(&size, "size", "bytes to download, such as 64M")
	noFiles(c, "size")
	return c
}

// demo is one run of the demo.
type demo struct {
	show  *stage
	procs *procs
	size  int64
	dir   string

	sum        [32]byte
	asap, enrp []string
	registrars map[string]*proc // by identifier
	servers    map[string]*proc
	user       *pooluser.PoolUser // to ask who is whose home
	killed     int                // registrars
	watchers   sync.WaitGroup
}

func runDemo(c *cobra.Command, size int64) (err error) {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rserpool-demo-")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(c.Context())
	defer cancel(nil)
	d := &demo{
		show: newStage(c.OutOrStdout()), procs: newProcs(exe, cancel), size: size, dir: dir,
		registrars: make(map[string]*proc), servers: make(map[string]*proc),
	}
	defer func() {
		d.show.clear()
		died := context.Cause(ctx)
		cancel(nil)
		d.procs.killAll()
		d.watchers.Wait()
		if d.user != nil {
			_ = d.user.Close() // the registrars are gone
		}
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
		// A process that died is why everything else failed.
		if err != nil && died != nil {
			err = died
		}
		// Unless all was to end: Ctrl-C reaches the processes, too.
		if err != nil && c.Context().Err() != nil {
			err = c.Context().Err()
		}
		if err != nil {
			err = fmt.Errorf("demo: %w", err)
		}
	}()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	end, err := d.download(ctx)
	if err != nil {
		return err
	}
	sum, n, err := hashFile(filepath.Join(dir, demoFile))
	if err != nil {
		return err
	}
	if sum != d.sum || n != size {
		return fmt.Errorf("the download has %d bytes and sha256 %x, not %d and %x", n, sum, size, d.sum)
	}
	d.show.say("the SHA-256 of the download matches")
	fmt.Fprintf(c.OutOrStdout(), "demo: ok bytes=%d sha256=%x failovers=%d registrars_killed=%d worst_pause_ms=%.0f\n",
		n, sum, end.Failovers, d.killed, math.Ceil(end.WorstPauseMS))
	return nil
}

// prepare writes the file and starts registrars and servers.
func (d *demo) prepare(ctx context.Context) error {
	root := filepath.Join(d.dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	d.show.say("%s, %s and a download of %s, processes of their own", count(demoRegistrars, "registrar"), count(demoServers, "file server"), human(d.size))
	if err := d.generate(ctx, filepath.Join(root, demoFile)); err != nil {
		return err
	}
	if err := d.startRegistrars(ctx); err != nil {
		return err
	}
	return d.startServers(ctx, root)
}

// generate writes a file of pseudo-random bytes, the same ones each time.
func (d *demo) generate(ctx context.Context, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{})
	buf := make([]byte, 1<<20)
	for left := d.size; left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		_, _ = src.Read(b) // never fails
		_, _ = h.Write(b)  // never fails
		if _, err := f.Write(b); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		left -= int64(len(b))
	}
	d.sum = [32]byte(h.Sum(nil))
	if err := f.Close(); err != nil {
		return err
	}
	d.show.say("file written, sha256 %x…", d.sum[:8])
	// Servers remember the hash of files that were left alone for a while.
	old := time.Now().Add(-time.Hour)
	return os.Chtimes(path, old, old)
}

func hashFile(path string) (sum [32]byte, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, f)
	return [32]byte(h.Sum(nil)), n, err
}

// startRegistrars starts registrars that know each other.
func (d *demo) startRegistrars(ctx context.Context) error {
	ports, err := freePorts(demoRegistrars)
	if err != nil {
		return err
	}
	for _, p := range ports {
		d.asap = append(d.asap, fmt.Sprintf("127.0.0.1:%d@%d", rserpool.ASAPPort, p))
		d.enrp = append(d.enrp, fmt.Sprintf("127.0.0.1:%d@%d", rserpool.ENRPPort, p))
	}
	for i, port := range ports {
		id := rserpool.RegistrarID(i + 1).String()
		args := []string{"registrar", "--id", id, "--listen", fmt.Sprintf("127.0.0.1@%d", port),
			"--profile", core.ProfileFast.Name, "--http", "off", "--log", "error", "--exit-with-stdin"}
		for j, peer := range d.enrp {
			if j != i {
				args = append(args, "--peer", peer)
			}
		}
		p, err := d.procs.start("registrar "+id, args...)
		if err != nil {
			return err
		}
		d.registrars[id] = p
	}
	for i := range ports {
		p := d.registrars[rserpool.RegistrarID(i+1).String()]
		if _, err := p.await(ctx, "ready"); err != nil {
			return err
		}
		d.show.say("%s is ready, pid %d, %s", p.name, p.pid(), d.asap[i])
	}
	return nil
}

// freePorts returns UDP ports that were free a moment ago.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := somePort()
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			if tries < 100 {
				continue
			}
			return nil, err
		}
		defer c.Close() // only when there are all of them, so that they differ
		ports = append(ports, port)
	}
	return ports, nil
}

// somePort is a port number below those that Linux, macOS and Windows give to whoever asks
// for any: a process that will have it soon does not find it taken by chance.
func somePort() int { return 10_000 + rand.IntN(22_000) }

// registrarFlags names all registrars.
func (d *demo) registrarFlags() []string {
	args := []string{"--profile", core.ProfileFast.Name, "--log", "error"}
	for _, a := range d.asap {
		args = append(args, "--registrar", a)
	}
	return args
}

// buffers are flags that keep what is on its way small, compared with the file: after
// a kill the download still gets that.
func (d *demo) buffers() int64 { return min(max(d.size/32, 4<<10), 1<<20) }

func (d *demo) startServers(ctx context.Context, root string) error {
	var list []*proc
	for i := range demoServers {
		id := rserpool.PEID(0xa1 + i).String()
		args := append([]string{"serve", "files", "--pool", demoPool, "--root", root, "--id", id, "--listen", "127.0.0.1@0",
			"--buffer", fmt.Sprint(d.buffers()), "--block", fmt.Sprint(min(d.buffers()/4, 64<<10)), "--hash-ahead", "--exit-with-stdin"}, d.registrarFlags()...)
		p, err := d.procs.start("server "+id, args...)
		if err != nil {
			return err
		}
		d.servers[id] = p
		list = append(list, p)
	}
	for _, p := range list {
		if _, err := p.await(ctx, "registered"); err != nil {
			return err
		}
		d.show.say("%s is registered, pid %d", p.name, p.pid())
	}
	var err error
	d.user, err = pooluser.New(&pooluser.Config{Registrars: d.asap, Profile: core.ProfileFast, StaleCache: -1})
	return err
}
