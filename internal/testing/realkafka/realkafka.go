// Package realkafka runs a real Kafka for tests, one process per broker from the jars
// that fetch.sh gets, with no container. It owns the processes and their data and knows
// nothing of the protocol beyond the one request that tells whether a broker is up.
package realkafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopFor bounds a clean stop before the process is killed.
	stopFor = 20 * time.Second

	// startFor bounds a start; on an idle machine it takes some seconds.
	startFor = 2 * time.Minute

	// logTail is how much of the log an error shows.
	logTail = 2000
)

// Options of Start and StartCluster.
type Options struct {
	// Properties are added to the configuration of each broker, or replace some of it.
	Properties map[string]string
}

// Kafka is one broker: its own controller, or one of those of a Cluster.
//
// # Concurrency
//
// Start, Stop, Kill and Restart are called one at a time.
type Kafka struct {
	dir        string // configuration, log and data
	java       string
	libs       string
	node       int  // its number in the cluster, from 1 on
	shared     bool // it is one of several
	addr       string
	controller string

	cmd    *exec.Cmd
	life   *os.File // as long as it is open the process lives
	exited chan struct{}
}

// Start fetches the jars where they are missing, starts a broker on free ports of the
// loopback interface with a temporary folder, and returns when it answers.
//
// # Errors
//
// No Java, none of version 17 or later, no Maven for the jars, or a broker that did
// not come up, with the end of its log.
func Start(ctx context.Context, opts Options) (*Kafka, error) {
	brokers, err := prepareAll(ctx, 1, opts)
	if err != nil {
		return nil, err
	}
	k := brokers[0]
	if err := k.launch(ctx); err != nil {
		return nil, errors.Join(err, k.Stop())
	}
	return k, nil
}

// prepareAll makes n brokers, configured and formatted, none of them started.
func prepareAll(ctx context.Context, n int, opts Options) ([]*Kafka, error) {
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	libs, err := Libs(ctx)
	if err != nil {
		return nil, err
	}
	addrs, err := freeAddrs(2 * n)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x7f // or it may begin with a dash and pass for a flag
	cluster := base64.RawURLEncoding.EncodeToString(id)
	brokers := make([]*Kafka, n)
	var voters []string
	for i := range brokers {
		dir, err := os.MkdirTemp("", "levada-kafka-")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("realkafka: %w", err), each(brokers[:i], (*Kafka).Stop))
		}
		brokers[i] = &Kafka{dir: dir, java: java, libs: libs, node: i + 1, shared: n > 1, addr: addrs[2*i], controller: addrs[2*i+1]}
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, addrs[2*i+1]))
	}
	err = each(brokers, func(k *Kafka) error { return k.prepare(ctx, cluster, voters, opts.Properties) })
	if err != nil {
		return nil, errors.Join(err, each(brokers, (*Kafka).Stop))
	}
	return brokers, nil
}

// each does the same to all brokers at the same time: a Java process takes its time to
// start.
func each(brokers []*Kafka, do func(*Kafka) error) error {
	errs := make([]error, len(brokers))
	var all sync.WaitGroup
	for i, k := range brokers {
		all.Go(func() { errs[i] = do(k) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// findJava wants Java 17 or later.
func findJava(ctx context.Context) (string, error) {
	const need = "hint: install a Java runtime, version 17 or later"
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("realkafka: java is not installed\n%s", need)
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("realkafka: %s -version: %w: %s\n%s", java, err, out, need)
	}
	var major int
	if _, v, ok := strings.Cut(string(out), `version "`); ok {
		fmt.Sscan(strings.FieldsFunc(v, func(r rune) bool { return r < '0' || r > '9' })[0], &major)
	}
	if major < 17 {
		line, _, _ := strings.Cut(string(out), "\n")
		return "", fmt.Errorf("realkafka: expected Java 17 or later, got %s\n%s", line, need)
	}
	return java, nil
}

// Libs is the folder with the jars; it runs fetch.sh where that has not been done.
func Libs(ctx context.Context) (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", fmt.Errorf("realkafka: built with -trimpath, so fetch.sh can not be found\nhint: run the tests without it")
	}
	here := filepath.Dir(file)
	out, err := exec.CommandContext(ctx, filepath.Join(here, "fetch.sh")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("realkafka: fetch.sh: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if libs := os.Getenv("LEVADA_KAFKA_LIBS"); libs != "" {
		return filepath.Abs(libs)
	}
	return filepath.Abs(filepath.Join(here, "..", "..", "..", ".cache", "kafka", "libs"))
}

// quick leaves out the compiler that makes a Java process fast in the long run.
const quick = "-XX:TieredStopAtLevel=1"

const log4j = `appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.c.ref=c
`

// prepare writes the configuration and formats the storage.
func (k *Kafka) prepare(ctx context.Context, cluster string, voters []string, extra map[string]string) error {
	copies, enough := min(3, len(voters)), max(1, min(3, len(voters))-1)
	props := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          strconv.Itoa(k.node),
		"listeners":                                        "PLAINTEXT://" + k.addr + ",CONTROLLER://" + k.controller,
		"advertised.listeners":                             "PLAINTEXT://" + k.addr + ",CONTROLLER://" + k.controller,
		"inter.broker.listener.name":                       "PLAINTEXT",
		"controller.listener.names":                        "CONTROLLER",
		"listener.security.protocol.map":                   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs":                                         filepath.Join(k.dir, "data"),
		"offsets.topic.replication.factor":                 strconv.Itoa(copies),
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         strconv.Itoa(copies),
		"transaction.state.log.min.isr":                    strconv.Itoa(enough),
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": strconv.Itoa(copies),
		"share.coordinator.state.topic.min.isr":            strconv.Itoa(enough),
		"group.initial.rebalance.delay.ms":                 "0",
		"log.cleaner.dedupe.buffer.size":                   "4194304",
		"auto.create.topics.enable":                        "false",
		"num.network.threads":                              "1",
		"num.io.threads":                                   "2",
		// After a kill the controller waits for this long before the broker may come back.
		"broker.session.timeout.ms":    "4000",
		"broker.heartbeat.interval.ms": "300",
		// A KIP-848 member hears of its partitions with a heartbeat.
		"group.consumer.min.heartbeat.interval.ms": "500",
		"group.consumer.heartbeat.interval.ms":     "500",
	}
	format := []string{"format", "-t", cluster, "-c", k.path("server.properties"), "--ignore-formatted"}
	if len(voters) == 1 {
		props["controller.quorum.bootstrap.servers"] = k.controller
		format = append(format, "--standalone")
	} else {
		props["controller.quorum.voters"] = strings.Join(voters, ",")
		props["default.replication.factor"] = strconv.Itoa(copies)
		props["min.insync.replicas"] = strconv.Itoa(enough)
		// Three Java processes start at once here, on a machine with other work: with the
		// usual seconds they can vote for ever.
		props["controller.quorum.election.timeout.ms"] = "3000"
		props["controller.quorum.fetch.timeout.ms"] = "5000"
		props["broker.session.timeout.ms"] = "6000"
	}
	maps.Copy(props, extra)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(props)) {
		fmt.Fprintf(&b, "%s=%s\n", name, props[name])
	}
	if err := os.WriteFile(k.path("server.properties"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("realkafka: %w", err)
	}
	if err := os.WriteFile(k.path("log4j2.properties"), []byte(log4j), 0o600); err != nil {
		return fmt.Errorf("realkafka: %w", err)
	}
	out, err := exec.CommandContext(ctx, k.java, append([]string{quick},
		k.args("kafka.tools.StorageTool", format...)...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("realkafka: format: %w: %s", err, out)
	}
	return nil
}

func (k *Kafka) path(name string) string { return filepath.Join(k.dir, name) }

func (k *Kafka) args(main string, args ...string) []string {
	return append([]string{
		"-Xms256m", "-Xmx512m", "-XX:+UseG1GC",
		"-Dlog4j2.configurationFile=" + k.path("log4j2.properties"),
		"-cp", filepath.Join(k.libs, "*"), main,
	}, args...)
}

// freeAddrs picks addresses that nobody listens on right now.
func freeAddrs(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("realkafka: %w", err)
		}
		defer ln.Close() // only then, so that no two are the same
		addrs[i] = ln.Addr().String()
	}
	return addrs, nil
}

// launch starts the process and waits until it answers.
func (k *Kafka) launch(ctx context.Context) error {
	log, err := os.OpenFile(k.path("kafka.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("realkafka: %w", err)
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("realkafka: %w", err)
	}
	defer r.Close()
	// A test that is killed stops nobody. So a shell watches the other end of a pipe:
	// where it closes without a word, the broker ends. exec keeps the process id.
	const watched = `(read -r _ <&3 || kill -9 $$) & exec "$@" 3<&-`
	args := []string{"-c", watched, "sh", k.java}
	if k.shared {
		args = append(args, quick)
	}
	args = append(args, k.args("kafka.Kafka", k.path("server.properties"))...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{r}
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("realkafka: %w", err)
	}
	k.cmd, k.life, k.exited = cmd, w, make(chan struct{})
	go func(exited chan struct{}) {
		cmd.Wait()
		close(exited)
	}(k.exited)

	ctx, cancel := context.WithTimeout(ctx, startFor)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(k.addr) {
			return nil
		}
		select {
		case <-tick.C:
		case <-k.exited:
			return fmt.Errorf("realkafka: the broker ended: %v\n%s", cmd.ProcessState, k.tail())
		case <-ctx.Done():
			return fmt.Errorf("realkafka: the broker does not answer: %w\n%s", ctx.Err(), k.tail())
		}
	}
}

// answers asks for the versions of the API, which a broker tells when it is ready.
func answers(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	//                       length 10    key 18  v 0   correlation 1  no client id
	if _, err := conn.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff}); err != nil {
		return false
	}
	head := make([]byte, 8)
	_, err = io.ReadFull(conn, head)
	return err == nil && binary.BigEndian.Uint32(head[4:]) == 1
}

func (k *Kafka) tail() string {
	b, err := os.ReadFile(k.path("kafka.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-logTail):])
}

// Addr is the host:port of the broker; it stays the same over restarts.
func (k *Kafka) Addr() string { return k.addr }

// Pid is the process of the broker; 0 while it does not run.
func (k *Kafka) Pid() int {
	if k.cmd == nil {
		return 0
	}
	return k.cmd.Process.Pid
}

// Kill ends the process with SIGKILL; the data stays for Restart.
func (k *Kafka) Kill() error { return k.end(syscall.SIGKILL) }

// Restart starts the broker again with its data, after a clean stop if it runs.
func (k *Kafka) Restart(ctx context.Context) error {
	if err := k.end(syscall.SIGTERM); err != nil {
		return err
	}
	return k.launch(ctx)
}

// Stop ends the broker and removes its data; a nil Kafka has none.
func (k *Kafka) Stop() error {
	if k == nil {
		return nil
	}
	return errors.Join(k.end(syscall.SIGTERM), os.RemoveAll(k.dir))
}

func (k *Kafka) end(sig syscall.Signal) error {
	if k.cmd == nil {
		return nil
	}
	err := k.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	late := time.NewTimer(stopFor)
	defer late.Stop()
	select {
	case <-k.exited:
	case <-late.C:
		err = errors.Join(err, fmt.Errorf("realkafka: still there %v after %v", stopFor, sig), k.cmd.Process.Kill())
		<-k.exited
	}
	// The word that the watching shell waits for: the process id may be another's now.
	if _, werr := io.WriteString(k.life, "ended\n"); werr != nil && !errors.Is(werr, syscall.EPIPE) {
		err = errors.Join(err, werr)
	}
	k.life.Close()
	k.cmd, k.life = nil, nil
	return err
}
