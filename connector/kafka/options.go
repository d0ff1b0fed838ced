package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/levada-io/levada/connector"
)

// Defaults of Options.
const (
	DefaultClientID       = "levada"
	DefaultSessionTimeout = 10 * time.Second // 45 s of the client: the group stands still that long after a kill
	DefaultUnreachable    = 5 * time.Minute
)

// Values of Options.Protocol.
const (
	CooperativeSticky = "cooperative-sticky" // the default: members keep working while partitions move
	Range             = "range"              // to join a group whose other members are librdkafka's
	KIP848            = "kip848"             // the broker assigns; Kafka 4.3 or later advised
)

// Values of Options.Partitioner.
const (
	Murmur2 = "murmur2" // the default: as the Java client and this one place keys
	CRC32   = "crc32"   // as librdkafka places them
)

// Mechanisms of SASL.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// maxBatch is how large a decompressed batch may be: a bomb would else take 1 GiB.
const maxBatch = 128 << 20

// Options say how to reach a cluster and how to read and write there. Zero values
// are the defaults; only Brokers must be set.
type Options struct {
	Brokers  []string // host:port of one broker or more
	ClientID string   // DefaultClientID

	TLS  *TLS  // nil: no TLS
	SASL *SASL // nil: no authentication
	// Insecure allows SASL without TLS, where the password is readable on the wire.
	Insecure bool

	Protocol       string        // CooperativeSticky
	SessionTimeout time.Duration // DefaultSessionTimeout
	// InstanceID makes the member static. It needs a name that survives the process,
	// such as a stable ordinal; the member does not leave the group at exit.
	InstanceID string

	// OutOfRange says what happens where the log no longer holds the position of the
	// group: Fail, the default, connector.Earliest or connector.Latest.
	OutOfRange string

	FetchMaxBytes          int32 // of one answer of a broker; 50 MiB
	FetchMaxPartitionBytes int32 // of one partition in it; 768 KiB

	Partitioner string // Murmur2
	Compression string // none, gzip, snappy, lz4 or zstd; snappy

	// Unreachable is for how long brokers may be away before the session fails;
	// DefaultUnreachable.
	Unreachable time.Duration

	// Log takes what an operator should see, such as that brokers went away; nil
	// drops it.
	Log func(format string, args ...any)

	// Dial opens connections in place of the network: through a proxy, or in a test.
	// TLS goes over what it returns. nil: the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	metadataAge time.Duration // how soon new partitions are seen; tests shorten it
}

// TLS is the encryption of connections. The files are read again for every
// connection, so that a rotated certificate needs no restart.
type TLS struct {
	CA         string // PEM file with the authorities to trust; empty: those of the system
	Cert, Key  string // PEM files of the client's certificate; empty: none
	ServerName string // the name in the broker's certificate, where it is not its host
}

// SASL is the authentication of connections.
type SASL struct {
	Mechanism string // Plain, ScramSHA256 or ScramSHA512
	Username  string
	Password  Secret
}

// Validate reports everything that is wrong, each with its field.
func (o *Options) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("kafka: %s: %w", field, fmt.Errorf(format, args...)))
	}
	oneOf := func(field, got string, want ...string) {
		if got != "" && !slices.Contains(want, got) {
			bad(field, "expected one of %s, got %q", strings.Join(want, ", "), got)
		}
	}
	if len(o.Brokers) == 0 {
		bad("brokers", "expected at least one host:port")
	}
	for i, b := range o.Brokers {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" {
			bad(fmt.Sprintf("brokers[%d]", i), "expected host:port, got %q", b)
		}
	}
	oneOf("protocol", o.Protocol, CooperativeSticky, Range, KIP848)
	oneOf("out_of_range", o.OutOfRange, Fail, connector.Earliest, connector.Latest)
	oneOf("partitioner", o.Partitioner, Murmur2, CRC32)
	oneOf("compression", o.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	if o.SessionTimeout != 0 && o.SessionTimeout < time.Second {
		bad("session_timeout", "expected at least 1s, got %v", o.SessionTimeout)
	}
	if o.Unreachable < 0 {
		bad("unreachable", "expected a positive duration, got %v", o.Unreachable)
	}
	if o.FetchMaxBytes < 0 {
		bad("fetch_max_bytes", "expected a positive number, got %d", o.FetchMaxBytes)
	}
	if o.FetchMaxPartitionBytes < 0 {
		bad("fetch_max_partition_bytes", "expected a positive number, got %d", o.FetchMaxPartitionBytes)
	}
	if o.TLS != nil {
		if (o.TLS.Cert == "") != (o.TLS.Key == "") {
			bad("tls", "expected cert and key together, got one of them")
		} else if _, err := o.TLS.config("broker"); err != nil {
			bad("tls", "%w", err)
		}
	}
	if s := o.SASL; s != nil {
		if s.Mechanism == "" {
			bad("sasl.mechanism", "expected one of %s, %s, %s", Plain, ScramSHA256, ScramSHA512)
		}
		oneOf("sasl.mechanism", s.Mechanism, Plain, ScramSHA256, ScramSHA512)
		if s.Username == "" {
			bad("sasl.username", "expected a name")
		}
		if s.Password.IsZero() {
			bad("sasl.password", "expected a password\nhint: ${env:NAME} or ${file:/path} keep it out of the file")
		}
		if o.TLS == nil && !o.Insecure {
			bad("sasl", "expected TLS, since the password is readable without it\n"+
				"hint: configure tls, or set insecure: true where the network is yours")
		}
	}
	return errors.Join(errs...)
}

// withDefaults is a copy in which nothing needs a default any more.
func (o *Options) withDefaults() *Options {
	c := *o
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&c.ClientID, DefaultClientID)
	def(&c.Protocol, CooperativeSticky)
	def(&c.OutOfRange, Fail)
	def(&c.Partitioner, Murmur2)
	def(&c.Compression, "snappy")
	if c.SessionTimeout == 0 {
		c.SessionTimeout = DefaultSessionTimeout
	}
	if c.Unreachable == 0 {
		c.Unreachable = DefaultUnreachable
	}
	if c.metadataAge == 0 {
		c.metadataAge = time.Minute
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	return &c
}

// place names the cluster in messages.
func (o *Options) place() string { return "kafka " + strings.Join(o.Brokers, ",") }

// base are the client options for any use of the cluster. o has its defaults.
func (o *Options) base() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID(o.ClientID),
		kgo.SoftwareNameAndVersion("levada", "1"),
		kgo.MetadataMaxAge(o.metadataAge),
		kgo.MetadataMinAge(min(o.metadataAge, 500*time.Millisecond)),
		kgo.DisableClientMetrics(),
		// A broker that stops accepts connections and closes them at once. Without
		// this every record in hand would fail there and then.
		kgo.AlwaysRetryEOF(),
		// A partition that is resumed is in no fetch until the one that is under way
		// comes back, and that one waits this long where the others are at their end.
		kgo.FetchMaxWait(fetchWait),
		kgo.Dialer(o.dial),
	}
	if s := o.SASL; s != nil {
		opts = append(opts, kgo.SASL(s.mechanism()))
	}
	return opts
}

// fetchPartition is what one partition adds to an answer, compressed. With the client's own
// 1 MiB a small pipeline holds a fifth more memory and is no faster.
const fetchPartition = 768 << 10

// reading are the client options of whatever consumes.
func (o *Options) reading() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.MaxDecompressBatchBytes(maxBatch),
		// Where a log was cut below the position, going on elsewhere would lose
		// records without a word.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	}
	if o.FetchMaxBytes > 0 {
		opts = append(opts, kgo.FetchMaxBytes(o.FetchMaxBytes))
	}
	return append(opts, kgo.FetchMaxPartitionBytes(cmp.Or(o.FetchMaxPartitionBytes, fetchPartition)))
}

// writing are the client options of whatever produces.
func (o *Options) writing() []kgo.Opt {
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	var hasher kgo.PartitionerHasher // nil: murmur2
	if o.Partitioner == CRC32 {
		hasher = func(key []byte, n int) int { return int(crc32.ChecksumIEEE(key) % uint32(n)) }
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(codecs[o.Compression]),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(hasher)),
		// The engine bounds what is in flight, in bytes. A limit here would block
		// the lane that writes, and with it the timers that it serves.
		kgo.MaxBufferedRecords(1 << 30),
		// A broker that has just started does not know its topics for a moment.
		kgo.UnknownTopicRetries(10),
	}
	if dropOnRetryable {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
	}
	return opts
}

func (s *SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case ScramSHA256:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism()
	case ScramSHA512:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism()
	}
	return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism()
}

// dialFor bounds a connection, with the TLS handshake.
const dialFor = 10 * time.Second

func (o *Options) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	open := o.Dial
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	conn, err := open(ctx, network, addr)
	if err != nil || o.TLS == nil {
		return conn, err
	}
	encrypted, err := o.TLS.over(ctx, conn, addr)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return encrypted, nil
}

// over encrypts a connection.
func (t *TLS) over(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg, err := t.config(host)
	if err != nil {
		return nil, err
	}
	c := tls.Client(conn, cfg)
	return c, c.HandshakeContext(ctx)
}

func (t *TLS) config(host string) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.ServerName != "" {
		cfg.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s: expected certificates in PEM form, got none", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("cert %s, key %s: %w", t.Cert, t.Key, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
