package main

import (
	"bufio"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/internal/testing/proxy"
)

//go:embed pipeline.py
var pipeline []byte

// world is what all scenarios share.
type world struct {
	o      *options
	dir    string
	began  time.Time
	member string // the program in Go
	levada string
	python string
	done   tally

	broker *exec.Cmd
	life   io.Closer // the broker ends when it is closed
	addr   string    // of the broker, which the harness itself uses
	proxy  *proxy.Proxy
	client *kgo.Client
	admin  *kadm.Client
}

// tally counts what was done to members and to the network.
type tally struct {
	names  []string
	counts map[string]int
}

func (t *tally) add(name string) {
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	if t.counts[name]++; t.counts[name] == 1 {
		t.names = append(t.names, name)
	}
}

func (t *tally) String() string {
	var all []string
	for _, n := range slices.Sorted(slices.Values(t.names)) {
		all = append(all, fmt.Sprintf("%s %d", n, t.counts[n]))
	}
	return strings.Join(all, ", ")
}

// runBroker is the process of the broker. It ends with its standard input.
func runBroker(args []string) error {
	fs := flag.NewFlagSet("broker", flag.ExitOnError)
	dir := fs.String("dir", "", "folder of the data")
	advertise := fs.String("advertise", "", "what clients are told")
	if err := fs.Parse(args); err != nil {
		return err
	}
	b, err := broker.Start(broker.Options{Dir: *dir, Advertise: *advertise})
	if err != nil {
		return err
	}
	fmt.Println(b.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return b.Close()
}

func (w *world) startBroker() error {
	var err error
	if w.proxy, err = proxy.Listen(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w.broker = command(context.Background(), self, "broker", "-dir", filepath.Join(w.dir, "data"), "-advertise", w.proxy.Addr())
	w.broker.Stderr = os.Stderr
	if w.life, err = w.broker.StdinPipe(); err != nil {
		return err
	}
	out, err := w.broker.StdoutPipe()
	if err != nil {
		return err
	}
	if err := begin(w.broker); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("broker: expected its address: %w", err)
	}
	w.addr = strings.TrimSpace(line)
	w.proxy.To(w.addr)
	if w.client, err = w.connect(); err != nil {
		return err
	}
	w.admin = kadm.NewClient(w.client)
	return nil
}

// connect makes a client of the harness, which passes the proxy by: the broker tells
// everybody the proxy's address.
func (w *world) connect(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(w.addr),
		kgo.RequestTimeoutOverhead(time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MaxBufferedRecords(1 << 20),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, w.addr)
		}),
	}, opts...)...)
}

func (w *world) close() {
	if w.client != nil {
		w.client.Close()
	}
	w.proxy.Close()
	w.life.Close()
	w.broker.Wait()
}
