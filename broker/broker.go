// Package broker is an embedded Kafka for trying things out and for tests: one
// process, no installation, every real client can talk to it. It speaks the protocol
// of Kafka but replicates nothing and forgets the sequence numbers of producers when
// it is killed, so it is never a place for data that matters.
//
// The package owns the life of that broker and its protection from bytes that are no
// Kafka requests. It knows nothing of pipelines.
package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/levada-io/levada/internal/keeper"
)

const (
	retentionTick = 10 * time.Second

	// defaultRetainBytes bounds a partition, so that a producer left running over
	// night does not fill the disk.
	defaultRetainBytes = 8 << 30

	// Retention drops whole segments: small ones let it follow the bound closely.
	segmentBytes = 64 << 20
)

// Options of Start. The zero value is a broker on a free port that forgets
// everything at Close.
type Options struct {
	// Addr is host:port on the loopback interface; empty means a free port.
	Addr string
	// Advertise is the host:port that clients are told to connect to, where something
	// stands between them and the broker; empty means its own.
	Advertise string
	// Dir keeps the data over restarts; empty means a temporary folder that Close
	// removes.
	Dir string
	// Topics are created at the start, with that many partitions each. A topic that
	// Dir holds already stays as it is.
	Topics map[string]int32
	// RetainBytes is how much a partition keeps before its oldest records go; 0
	// means 8 GiB.
	RetainBytes int64
	// Log takes what somebody should see, such as a connection that was refused;
	// nil drops it.
	Log func(format string, args ...any)
}

// Broker is a running embedded Kafka.
type Broker struct {
	addr    string
	cluster *kfake.Cluster
	keeper  *keeper.Keeper
	tempDir string // removed by Close; empty where the folder is the user's

	stopRetention context.CancelFunc
	retentionDone chan struct{}
	closeOnce     sync.Once
	closeErr      error
}

// Start starts a broker and returns when it accepts connections.
//
// # Errors
//
// An address that is not a loopback address, a port in use, a folder that can not be
// written or that holds something else.
func Start(opts Options) (*Broker, error) {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	if opts.RetainBytes == 0 {
		opts.RetainBytes = defaultRetainBytes
	}
	addr, err := loopback(opts.Addr)
	if err != nil {
		return nil, err
	}
	for name, n := range opts.Topics {
		if n < 1 {
			return nil, fmt.Errorf("broker: topic %q: expected at least 1 partition, got %d", name, n)
		}
	}

	b := &Broker{keeper: keeper.New(), retentionDone: make(chan struct{})}
	dir := opts.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "levada-broker-"); err != nil {
			return nil, fmt.Errorf("broker: temporary folder: %w", err)
		}
		b.tempDir = dir
	}
	b.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID("levada-embedded"),
		// In a folder it holds 20 MB of memory where it would hold 580 MB without,
		// for a million small records, and it is faster.
		kfake.DataDir(dir),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			ln, err := net.Listen(network, addr)
			if err != nil {
				return nil, err
			}
			b.addr = ln.Addr().String()
			advertised, err := told(opts.Advertise, ln.Addr())
			if err != nil {
				ln.Close()
				return nil, err
			}
			return &guardListener{Listener: ln, advertised: advertised, keeper: b.keeper, log: opts.Log}, nil
		}),
		kfake.WithLogger(logger(opts.Log)),
		kfake.BrokerConfigs(map[string]string{
			// The first assignment of a KIP-848 member waits for one heartbeat.
			"group.consumer.heartbeat.interval.ms": "500",
			// So that what a silent member means can be tried out without waiting for 6 s.
			"group.min.session.timeout.ms": "1000",
			"log.retention.bytes":          fmt.Sprint(opts.RetainBytes),
			"log.segment.bytes":            fmt.Sprint(segmentBytes),
		}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("broker: %s: %w", addr, err), b.removeTemp())
	}
	for _, name := range slices.Sorted(maps.Keys(opts.Topics)) {
		err := b.CreateTopic(name, opts.Topics[name])
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			b.cluster.Close()
			return nil, errors.Join(err, b.removeTemp())
		}
	}

	// Whatever address clients are told, it goes the short way.
	own := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, b.addr)
	}
	if err := b.keeper.Start(b.cluster, own); err != nil {
		b.cluster.Close()
		return nil, errors.Join(err, b.removeTemp())
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stopRetention = cancel
	go b.retain(ctx)
	return b, nil
}

// loopback checks addr: what is started for a try must not be open to the network.
func loopback(addr string) (string, error) {
	if addr == "" {
		return "127.0.0.1:0", nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("broker: address %q: expected host:port: %w", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("broker: address %q: expected a loopback address, got host %q\n"+
			"hint: the embedded broker has no access control; use 127.0.0.1:%s", addr, host, port)
	}
	return net.JoinHostPort(host, port), nil
}

// told is the address that the broker tells clients.
func told(advertise string, own net.Addr) (net.Addr, error) {
	if advertise == "" {
		return own, nil
	}
	addr, err := net.ResolveTCPAddr("tcp", advertise)
	if err != nil {
		return nil, fmt.Errorf("advertised address %q: expected host:port: %w", advertise, err)
	}
	return addr, nil
}

// Addr is the host:port that the broker listens on.
func (b *Broker) Addr() string { return b.addr }

// CreateTopic creates a topic.
func (b *Broker) CreateTopic(name string, partitions int32) error {
	if err := b.cluster.CreateTopic(name, partitions, nil); err != nil {
		return fmt.Errorf("broker: topic %q: %w", name, err)
	}
	return nil
}

// retain applies retention in short turns; by itself the cluster looks only at topics
// with a setting of their own, and once an hour.
func (b *Broker) retain(ctx context.Context) {
	defer close(b.retentionDone)
	tick := time.NewTicker(retentionTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// Close stops the broker, with the connections that are open. Calls after the first
// return the same.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		b.stopRetention()
		b.keeper.Close()
		<-b.retentionDone // a closed cluster would block it for ever
		b.cluster.Close()
		b.closeErr = b.removeTemp()
	})
	return b.closeErr
}

func (b *Broker) removeTemp() error {
	if b.tempDir == "" {
		return nil
	}
	if err := os.RemoveAll(b.tempDir); err != nil {
		return fmt.Errorf("broker: temporary folder: %w", err)
	}
	return nil
}

// logger passes on what the cluster thinks an error; the rest is about requests that
// clients already got an answer to.
type logger func(format string, args ...any)

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level <= kfake.LogLevelError {
		l("broker: "+format, args...)
	}
}
