package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/levada-io/levada/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, opts broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// roundTrip writes one record with a client and reads it with another.
func roundTrip(t *testing.T, addr, topic, value string) {
	t.Helper()
	ctx := testContext(t)
	w := client(t, addr)
	if err := w.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := client(t, addr, kgo.ConsumeTopics(topic))
	for {
		fs := r.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Fatal(err)
		}
		for _, rec := range fs.Records() {
			if string(rec.Value) == value {
				return
			}
		}
	}
}

// TestSurvivesWhatIsNoRequest sends what would end or swell the broker behind the
// guard; each time the connection is closed, a line is logged, and a client works.
//
// Fault: a client that is no Kafka client, at the embedded broker -> goes on: that connection is closed, nothing is allocated for it
func TestSurvivesWhatIsNoRequest(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	b := start(t, broker.Options{
		Topics: map[string]int32{"t": 1},
		Log: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, fmt.Sprintf(format, args...))
		},
	})
	for name, in := range map[string]string{
		"http get":    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"garbage":     strings.Repeat("\x99\x00\xff garbage", 100),
		"unknown key": "\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\x00\x00",
		"oversize":    "\xff\xff\xff\xff\x00\x12",
		"too short":   "\x00\x00\x00\x02\x00\x12",
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			lines = nil
			mu.Unlock()
			conn, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, in); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(make([]byte, 1))
			if nerr, ok := errors.AsType[net.Error](err); n != 0 || err == nil || ok && nerr.Timeout() {
				t.Fatalf("read %d bytes, %v; want the connection closed", n, err)
			}
			roundTrip(t, b.Addr(), "t", name)
			mu.Lock()
			defer mu.Unlock()
			if len(lines) != 1 || !strings.Contains(lines[0], "not a Kafka request") {
				t.Errorf("log %q, want one line about it", lines)
			}
		})
	}
}

// What a client is told counts after its first connection, whatever that was to.
func TestAdvertise(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int32{"t": 1}, Advertise: "127.0.0.1:1"})
	dialed := make(chan string, 100)
	cl := client(t, b.Addr(), kgo.ConsumeTopics("t"), kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case dialed <- addr:
		default:
		}
		return (&net.Dialer{}).DialContext(ctx, network, b.Addr())
	}))
	if err := cl.ProduceSync(testContext(t), &kgo.Record{Topic: "t", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if first, second := <-dialed, <-dialed; first != b.Addr() || second != "127.0.0.1:1" {
		t.Errorf("connected to %s and %s, want %s and what it was told", first, second, b.Addr())
	}
}

func TestKeepsFolder(t *testing.T) {
	dir := t.TempDir()
	opts := broker.Options{Dir: dir, Topics: map[string]int32{"kept": 2}}
	b := start(t, opts)
	roundTrip(t, b.Addr(), "kept", "one")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	opts.Addr = b.Addr() // the port is free again, too
	b = start(t, opts)
	cl := client(t, b.Addr(), kgo.ConsumeTopics("kept"))
	fs := cl.PollFetches(testContext(t))
	if rs := fs.Records(); len(rs) != 1 || string(rs[0].Value) != "one" {
		t.Errorf("after a restart: %v, %v; want the record from before", rs, fs.Err())
	}
}

func TestTemporaryFolderGoes(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	b := start(t, broker.Options{Topics: map[string]int32{"t": 1}})
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) != 1 {
		t.Fatalf("while it runs: %v, %v; want one folder", entries, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, _ = os.ReadDir(tmp); len(entries) != 0 {
		t.Errorf("after Close there is %v", entries)
	}
}

func TestStartErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opts broker.Options
		want string
	}{
		"all interfaces":   {broker.Options{Addr: "0.0.0.0:9092"}, "expected a loopback address"},
		"no host":          {broker.Options{Addr: ":9092"}, "expected a loopback address"},
		"no port":          {broker.Options{Addr: "127.0.0.1"}, "expected host:port"},
		"port in use":      {broker.Options{Addr: busy.Addr().String()}, "address already in use"},
		"folder is a file": {broker.Options{Dir: file}, "not a directory"},
		"told nonsense":    {broker.Options{Advertise: "nowhere"}, "expected host:port"},
		"no partitions":    {broker.Options{Topics: map[string]int32{"t": 0}}, "at least 1 partition"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Start(tc.opts)
			if err == nil {
				b.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q, want %q in it", err, tc.want)
			}
		})
	}
}
