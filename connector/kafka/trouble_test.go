package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// fake is a cluster whose answers a test can change.
func fake(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *cluster) {
	t.Helper()
	f, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, &cluster{addr: f.ListenAddrs()[0]}
}

// openBoth opens a sink and a source and returns the error of each.
func openBoth(t *testing.T, o *Options, topic string) map[string]error {
	t.Helper()
	errs := map[string]error{}
	for _, end := range []string{"source", "sink"} {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if end == "sink" {
			_, err = s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: topic})
		} else {
			_, err = s.Source(t.Context(), connector.SourceConfig{Step: "in", Stream: topic, Group: "g"}, &reader{})
		}
		errs[end] = err
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := s.Close(ctx); err != nil {
			t.Errorf("%s: %v", end, err)
		}
		cancel()
	}
	return errs
}

// expect checks what a person would read and what the exit code is made of.
func expect(t *testing.T, err error, reason connector.Reason, texts ...string) {
	t.Helper()
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		t.Errorf("got %v (%T), want a *connector.Error", err, err)
		return
	}
	if e.Reason != reason {
		t.Errorf("reason %d, want %d: %v", e.Reason, reason, e)
	}
	for _, text := range texts {
		if all := e.Error() + "\nhint: " + e.Hint; !strings.Contains(all, text) {
			t.Errorf("%q\nwant %q in it", all, text)
		}
	}
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Fault: broker absent at start -> exit 69: it never came within the budget, says: no broker reached for 300ms...connection refused
func TestBrokerAbsent(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	o := &Options{Brokers: []string{addr}, Unreachable: 300 * time.Millisecond}
	for end, err := range openBoth(t, o, "t") {
		t.Run(end, func(t *testing.T) {
			expect(t, err, connector.Unreachable, "kafka "+addr+": no broker reached for 300ms",
				"connection refused", "hint: check the address and that the broker runs")
		})
	}
}

// TestBrokerComes: within its budget a session waits for a broker that starts later.
//
// Fault: broker absent at start -> goes on: within the budget it is waited for
func TestBrokerComes(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	s, err := Open(t.Context(), &Options{Brokers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	tried := make(chan struct{})
	first := true
	s.(*session).opts.Log = nil
	s.(*session).health.now = func() time.Time { // asked at each failure
		if first {
			first = false
			close(tried)
		}
		return time.Now()
	}
	opened := make(chan error, 1)
	go func() {
		_, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: "t"})
		opened <- err
	}()
	<-tried
	b, err := broker.Start(broker.Options{Addr: addr, Topics: map[string]int32{"t": 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// TestNotKafka: what listens on the port is something else.
//
// Fault: not a Kafka at the address -> exit 69: an HTTP server, an SSH server, one that says nothing, says: hint: check the port: what answers there is not Kafka
func TestNotKafka(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		serve  func(net.Conn)
		reason connector.Reason
		texts  []string
	}{
		"http": {func(c net.Conn) {
			io.ReadFull(c, make([]byte, 4))
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, connector.Unreachable, []string{"an HTTP response", "hint: check the port: what answers there is not Kafka"}},
		"ssh": {func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-OpenSSH_9.7\r\n")
			io.ReadFull(c, make([]byte, 4))
		}, connector.Unreachable, []string{"hint: check the port: what answers there is not Kafka"}},
		"closes": {func(net.Conn) {}, connector.Misconfig,
			[]string{"closes the connection without an answer", "hint: check tls and sasl"}},
		"silent": {func(c net.Conn) { io.Copy(io.Discard, c) }, connector.Unreachable,
			[]string{"no broker reached for 1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						tc.serve(c)
					}()
				}
			}()
			o := &Options{Brokers: []string{ln.Addr().String()}, Unreachable: time.Second}
			for _, err := range openBoth(t, o, "t") {
				expect(t, err, tc.reason, tc.texts...)
			}
		})
	}
}

// TestBrokerGoes: longer than the budget, and the source, whoever waits for an
// acknowledgement, and Close all come to an end.
//
// Fault: broker away beyond the budget -> exit 69: whoever waits for an acknowledgement hears of it, says: no broker reached for 1s
func TestBrokerGoes(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": 1, "out": 1}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), &Options{
		Brokers: []string{b.Addr()}, Unreachable: time.Second, metadataAge: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: "out"})
	if err != nil {
		t.Fatal(err)
	}
	r := read(t, s, connector.SourceConfig{Step: "in", Stream: "in", Group: "g"})
	r.wait("the partition", func() bool { return len(r.owned) == 1 })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	k.Write([]record.Record{{Value: []byte("x")}, {Value: []byte("y")}}, func(err error) { done <- err })
	expect(t, r.fails(), connector.Unreachable, "no broker reached for 1s", "connection refused")
	expect(t, <-done, connector.Unreachable, "no broker reached for 1s")
	k.Write([]record.Record{{Value: []byte("z")}}, func(err error) { done <- err })
	expect(t, <-done, connector.Unreachable, "no broker reached for 1s")
	r.close()
	if len(done) > 0 {
		t.Error("done was called twice")
	}
}

// TestWhatTheDoctorAsks: how far the records reach, that a member without a share need
// not wait for one, and since when there is no broker.
func TestWhatTheDoctorAsks(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := &cluster{addr: b.Addr()}
	cfg := connector.SourceConfig{Step: "in", Stream: "in", Group: "g", Start: connector.Earliest}
	produceTo(t, c, "in", 0, "a", "b", "c")
	r := read(t, c.open(t), cfg)
	r.wait("the records", func() bool { return len(r.recs) == 3 })
	if got := r.src.(connector.Gauge).Reach(); len(got) != 1 || got[connector.Partition{Topic: "in"}] != 3 {
		t.Errorf("reach %v, want 3", got)
	}
	second := read(t, c.open(t), cfg)
	second.wait("word from the group", func() bool { return second.told > 0 })
	r.mu.Lock()
	first := len(r.owned)
	r.mu.Unlock()
	second.mu.Lock()
	if first+len(second.owned) != 1 {
		t.Errorf("the members have %d and %d partitions, want one", first, len(second.owned))
	}
	second.mu.Unlock()
	pulse := r.src.(connector.Pulse)
	if got := pulse.Away(); got != 0 {
		t.Errorf("away for %v, and the broker is there", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	failed := time.NewTicker(10 * time.Millisecond)
	defer failed.Stop()
	for late := time.After(patience); pulse.Away() == 0; {
		select {
		case <-failed.C:
		case <-late:
			t.Fatal("the broker is gone, and nobody has noticed")
		}
	}
}

// TestBrokerComesBack: within the budget an outage is invisible but for the time.
//
// Fault: broker killed and started again -> goes on: within the budget nothing shows but the time
func TestBrokerComesBack(t *testing.T) {
	t.Parallel()
	opts := broker.Options{Dir: t.TempDir(), Topics: map[string]int32{"t": 2}}
	b, err := broker.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Addr = b.Addr()
	comesBack(t, &cluster{addr: b.Addr()}, "t", func() {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if b, err = broker.Start(opts); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
	})
}

func comesBack(t *testing.T, c *cluster, topic string, stop, start func()) {
	s := c.open(t)
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: topic})
	if err != nil {
		t.Fatal(err)
	}
	r := read(t, s, connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic)})
	all := numbers("v", 300)
	put := func(vs []string) {
		for _, v := range vs {
			k.Write([]record.Record{{Key: []byte(v), Value: []byte(v)}}, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	put(all[:100])
	r.wait("the first", func() bool { return len(r.recs) == 100 })
	stop()
	put(all[100:200])
	start()
	put(all[200:])
	if err := k.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := int64(0)
	for _, p := range positions(t, c, topic, "") {
		stored += p.End
	}
	if stored != 300 {
		t.Errorf("%d records are stored, want 300: none lost, none written twice", stored)
	}
	// A member that the group forgot meanwhile starts where it committed, so that some
	// may come again.
	seen := map[string]bool{}
	r.wait("all", func() bool {
		for _, rec := range r.recs {
			seen[string(rec.Value)] = true
		}
		return len(seen) == 300
	})
}

// pki is an authority and what it signed, as PEM files.
type pki struct {
	t       *testing.T
	dir     string
	ca      *x509.Certificate
	key     *ecdsa.PrivateKey
	caFile  string
	counter int64
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t, dir: t.TempDir()}
	p.key = p.newKey()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.ca, _ = x509.ParseCertificate(der)
	p.caFile = p.write("ca.pem", "CERTIFICATE", der)
	return p
}

func (p *pki) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	return key
}

func (p *pki) write(name, kind string, der []byte) string {
	file := p.dir + "/" + name
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// issue writes a certificate for a host name.
func (p *pki) issue(name, host string, valid time.Duration) (cert, key string) {
	p.counter++
	k := p.newKey()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1 + p.counter), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		tmpl.DNSNames, tmpl.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, p.ca, k.Public(), p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.write(name+".pem", "CERTIFICATE", der), p.write(name+".key", "EC PRIVATE KEY", kder)
}

func (p *pki) server(host string, valid time.Duration, change func(*tls.Config)) *tls.Config {
	cert, key := p.issue("server", host, valid)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		p.t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}}
	if change != nil {
		change(cfg)
	}
	return cfg
}

// Fault: TLS certificate expired -> exit 78: it ends at the start, says: certificate has expired
// Fault: TLS certificate for another host -> exit 78: it ends at the start, says: tls.server_name
func TestTLS(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t), newPKI(t)
	wantsCert := func(c *tls.Config) {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AddCert(p.ca)
	}
	cert, key := p.issue("client", "client", time.Hour)
	for name, tc := range map[string]struct {
		server *tls.Config // nil: plain
		client *TLS
		reason connector.Reason // 0: works
		texts  []string
	}{
		"right":              {p.server("127.0.0.1", time.Hour, nil), &TLS{CA: p.caFile}, 0, nil},
		"other name":         {p.server("kafka.test", time.Hour, nil), &TLS{CA: p.caFile, ServerName: "kafka.test"}, 0, nil},
		"client certificate": {p.server("127.0.0.1", time.Hour, wantsCert), &TLS{CA: p.caFile, Cert: cert, Key: key}, 0, nil},
		"unknown authority": {p.server("127.0.0.1", time.Hour, nil), &TLS{CA: other.caFile}, connector.Misconfig,
			[]string{"unknown authority", "hint: check tls.ca"}},
		"wrong name": {p.server("kafka.test", time.Hour, nil), &TLS{CA: p.caFile}, connector.Misconfig,
			[]string{"127.0.0.1", "tls.server_name"}},
		"expired": {p.server("127.0.0.1", -time.Minute, nil), &TLS{CA: p.caFile}, connector.Misconfig,
			[]string{"certificate has expired"}},
		"no client certificate": {p.server("127.0.0.1", time.Hour, wantsCert), &TLS{CA: p.caFile}, connector.Unauthorized,
			[]string{"certificate required", "hint: the broker ends the TLS handshake: check tls.cert and tls.key"}},
		"broker without TLS": {nil, &TLS{CA: p.caFile}, connector.Misconfig, []string{"hint: check tls and sasl"}},
		"client without TLS": {p.server("127.0.0.1", time.Hour, nil), nil, connector.Misconfig, []string{"hint: check tls and sasl"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := embedded(t)
			if tc.server != nil {
				_, c = fake(t, kfake.TLS(tc.server), kfake.SeedTopics(1, "t"))
			}
			o := c.options(t)
			o.TLS, o.Unreachable = tc.client, 2*time.Second
			for end, err := range openBoth(t, o, "t") {
				if tc.reason == 0 {
					if err != nil {
						t.Errorf("%s: %v", end, err)
					}
					continue
				}
				expect(t, err, tc.reason, tc.texts...)
			}
		})
	}
}

// TestTLSRotation: the files are read for every connection.
//
// Fault: TLS certificate rotated -> goes on: the files are read for every connection
func TestTLSRotation(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	o := &TLS{CA: p.caFile}
	o.Cert, o.Key = p.issue("client", "before", time.Hour)
	name := func() string {
		cfg, err := o.config("h")
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	if got := name(); got != "before" {
		t.Fatal(got)
	}
	p.issue("client", "after", time.Hour)
	if got := name(); got != "after" {
		t.Errorf("the certificate is still %q", got)
	}
}

// TestSASL: the embedded broker closes the connection where a real one says that
// authentication failed; TestRealSASL has the other.
//
// Fault: wrong password -> exit 77: it ends at the start; the password is in no message, says: while it authenticates us
func TestSASL(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		_, c := fake(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "alice", "right"), kfake.SeedTopics(1, "t"))
		for name, tc := range map[string]struct {
			sasl   *SASL
			reason connector.Reason
			texts  []string
		}{
			"right": {&SASL{mechanism, "alice", NewSecret("right")}, 0, nil},
			"wrong password": {&SASL{mechanism, "alice", NewSecret("wrong")}, connector.Unauthorized,
				[]string{"while it authenticates us", "hint: check sasl.username, sasl.password"}},
			"unknown user": {&SASL{mechanism, "bob", NewSecret("right")}, connector.Unauthorized,
				[]string{"while it authenticates us"}},
			"nothing": {nil, connector.Misconfig, []string{"hint: check tls and sasl"}},
		} {
			t.Run(mechanism+"/"+name, func(t *testing.T) {
				t.Parallel()
				o := c.options(t)
				o.SASL, o.Insecure, o.Unreachable = tc.sasl, true, time.Second
				began := time.Now()
				for end, err := range openBoth(t, o, "t") {
					if tc.reason == 0 {
						if err != nil {
							t.Errorf("%s: %v", end, err)
						}
						continue
					}
					expect(t, err, tc.reason, tc.texts...)
					if err != nil && (strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "wrong")) {
						t.Errorf("the password shows in %q", err)
					}
				}
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("it took %v to say so", took)
				}
			})
		}
	}
	t.Run("other mechanism", func(t *testing.T) {
		_, c := fake(t, kfake.EnableSASL(), kfake.Superuser(ScramSHA256, "alice", "right"), kfake.SeedTopics(1, "t"))
		o := c.options(t)
		o.SASL, o.Insecure, o.Unreachable = &SASL{Plain, "alice", NewSecret("right")}, true, time.Second
		for _, err := range openBoth(t, o, "t") {
			expect(t, err, connector.Unauthorized, "sasl.mechanism")
		}
	})
}

// Fault: missing ACL -> exit 77: for the topic, the group, to read or to write; what is needed is said, says: TOPIC_AUTHORIZATION_FAILED
func TestACL(t *testing.T) {
	t.Parallel()
	allow := func(kind kmsg.ACLResourceType, name string, ops ...kmsg.ACLOperation) []kfake.ACL {
		var out []kfake.ACL
		for _, op := range ops {
			out = append(out, kfake.ACL{
				Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true,
			})
		}
		return out
	}
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	start := func(t *testing.T, acls ...[]kfake.ACL) *Options {
		var all []kfake.ACL
		for _, a := range acls {
			all = append(all, a...)
		}
		_, c := fake(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "t"),
			kfake.Superuser(Plain, "root", "r"), kfake.User(Plain, "alice", "a", all...))
		o := c.options(t)
		o.SASL, o.Insecure = &SASL{Plain, "alice", NewSecret("a")}, true
		return o
	}
	readT := allow(topic, "t", kmsg.ACLOperationRead, kmsg.ACLOperationDescribe)
	writeT := allow(topic, "t", kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
	readG := allow(group, "g", kmsg.ACLOperationRead)

	t.Run("nothing", func(t *testing.T) {
		for _, err := range openBoth(t, start(t), "t") {
			expect(t, err, connector.Unauthorized, `topic "t": TOPIC_AUTHORIZATION_FAILED`, "hint: a source needs Read and Describe")
		}
	})
	source := func(t *testing.T, o *Options) *reader {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return read(t, s, connector.SourceConfig{Step: "in", Stream: "t", Group: "g", Start: connector.Latest})
	}
	t.Run("no group", func(t *testing.T) {
		expect(t, source(t, start(t, readT)).fails(), connector.Unauthorized, `group "g": GROUP_AUTHORIZATION_FAILED`, "hint: the member needs Read on its consumer group")
	})
	t.Run("no read", func(t *testing.T) {
		o := start(t, allow(topic, "t", kmsg.ACLOperationDescribe), readG)
		expect(t, source(t, o).fails(), connector.Unauthorized, "TOPIC_AUTHORIZATION_FAILED")
	})
	t.Run("enough to read", func(t *testing.T) {
		r := source(t, start(t, readT, readG))
		r.wait("the partition", func() bool { return len(r.owned) == 1 })
	})
	put := func(t *testing.T, o *Options) error {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(t.Context())
		k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: "t"})
		if err != nil {
			return err
		}
		done := make(chan error, 1)
		k.Write([]record.Record{{Value: []byte("v")}}, func(err error) { done <- err })
		return <-done
	}
	t.Run("no write", func(t *testing.T) {
		expect(t, put(t, start(t, readT)), connector.Unauthorized, `topic "t": `, "AUTHORIZATION_FAILED", "hint: a sink needs Write on its topic")
	})
	t.Run("enough to write", func(t *testing.T) {
		if err := put(t, start(t, writeT)); err != nil {
			t.Error(err)
		}
	})
}

// oneRecord is a source that has read the one record of its topic.
func oneRecord(t *testing.T, c *cluster) (*reader, []connector.Commit) {
	t.Helper()
	topic := c.topic(t, 1)
	write(t, c, topic, "", "v")
	r := read(t, c.open(t), connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic)})
	r.wait("the record", func() bool { return len(r.recs) == 1 })
	return r, []connector.Commit{{Partition: connector.Partition{Topic: topic}, Offset: 1, Metadata: "levada/1"}}
}

// TestCommitErrors: what passes is tried again, what does not is an error with its
// reason.
func TestCommitErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err    *kerr.Error
		count  int
		reason connector.Reason // 0: it is stored in the end
	}{
		{kerr.RebalanceInProgress, 2, 0},
		{kerr.IllegalGeneration, 1, 0},
		{kerr.UnknownMemberID, 1, 0},
		{kerr.NotCoordinator, 2, 0},
		{kerr.CoordinatorLoadInProgress, 2, 0},
		{kerr.CoordinatorNotAvailable, 2, 0},
		{kerr.UnknownTopicOrPartition, 2, 0},
		{kerr.RequestTimedOut, 1, 0},
		{kerr.GroupAuthorizationFailed, 1, connector.Unauthorized},
		{kerr.TopicAuthorizationFailed, 1, connector.Unauthorized},
		{kerr.FencedInstanceID, 1, connector.Fenced},
		{kerr.InvalidGroupID, 1, connector.Misconfig},
	} {
		t.Run(tc.err.Message, func(t *testing.T) {
			f, c := fake(t)
			r, cs := oneRecord(t, c)
			h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: tc.err, Count: tc.count})
			defer h.Remove()
			err := r.src.Commit(t.Context(), cs)
			if tc.reason != 0 {
				expect(t, err, tc.reason, "commit of "+cs[0].Topic+"[0]@1", tc.err.Message)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Hits() != tc.count {
				t.Errorf("%d tries failed, want %d", h.Hits(), tc.count)
			}
			if p := positions(t, c, cs[0].Topic, groupOf(cs[0].Topic))[0]; p.Committed != 1 {
				t.Errorf("committed %d, want 1", p.Committed)
			}
		})
	}
}

// TestCommitWaitsNoLonger: neither for a broker that does not answer, nor for the
// commit before it.
func TestCommitWaitsNoLonger(t *testing.T) {
	t.Parallel()
	f, c := fake(t)
	r, cs := oneRecord(t, c)
	f.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, nil, true // no answer
	})
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		err := r.src.Commit(ctx, cs)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("after %v: %v, want that the time ran out", time.Since(began), err)
		}
		if _, ok := errors.AsType[*connector.Error](err); ok {
			t.Errorf("%v is for good; a later commit may succeed", err)
		}
	}
}

// TestCloseIsBounded: a coordinator that does not answer the leave does not hold a
// process up.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	f, c := fake(t)
	r, _ := oneRecord(t, c)
	f.ControlKey(int16(kmsg.LeaveGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		return nil, nil, true
	})
	r.stop()
	<-r.stopped
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := r.session.Close(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
}

// TestWriteNeverBlocks, and has no closure per record: with a broker that does not
// answer it takes what it gets.
func TestWriteNeverBlocks(t *testing.T) {
	f, c := fake(t, kfake.SeedTopics(1, "t"))
	s := c.open(t)
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: "t"})
	if err != nil {
		t.Fatal(err)
	}
	f.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		return nil, nil, true
	})
	const n, writes = 1000, 100
	recs := make([]record.Record, n)
	for i := range recs {
		recs[i].Value = []byte("some value that is not very long")
	}
	done := make(chan error, writes+1)
	finish := func(err error) { done <- err }
	perWrite := testing.AllocsPerRun(writes, func() { k.Write(recs, finish) })
	if perWrite > n/2 {
		t.Errorf("%v allocations for a Write of %d records", perWrite, n)
	}
	t.Logf("%v allocations for a Write of %d records", perWrite, n)
	if len(done) > 0 {
		t.Fatal("acknowledged by a broker that does not answer")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := k.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush: %v, want that the time ran out", err)
	}
	s.Close(ctx)
	for range writes + 1 {
		if err := <-done; err == nil {
			t.Error("acknowledged by a broker that does not answer")
		}
	}
}

// TestProduceErrors: what a broker says to a record, and what becomes of it.
func TestProduceErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err    *kerr.Error
		reason connector.Reason // 0: stored in the end
	}{
		{kerr.NotLeaderForPartition, 0},
		{kerr.NotEnoughReplicas, 0},
		{kerr.RequestTimedOut, 0},
		{kerr.UnknownTopicOrPartition, 0},
		{kerr.TopicAuthorizationFailed, connector.Unauthorized},
		{kerr.InvalidRecord, connector.Misconfig},
		{kerr.MessageTooLarge, connector.DataGap},
	} {
		t.Run(tc.err.Message, func(t *testing.T) {
			f, c := fake(t, kfake.SeedTopics(1, "t"))
			s := c.open(t)
			defer s.Close(t.Context())
			k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: "t"})
			if err != nil {
				t.Fatal(err)
			}
			f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: tc.err})
			done := make(chan error, 1)
			k.Write([]record.Record{{Value: []byte("v")}}, func(err error) { done <- err })
			if err := <-done; tc.reason != 0 {
				expect(t, err, tc.reason, `topic "t": `, tc.err.Message)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNothingOvertakesARefusal: what is written after a refusal and before anybody could
// hear of it is not stored, or a later record of a key would stand before an earlier one.
//
// Fault: write refused for good -> exit 78: nothing that is written behind it is stored
func TestNothingOvertakesARefusal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code   *kerr.Error
		reason connector.Reason
	}{
		{kerr.InvalidRecord, connector.Misconfig},
		{kerr.TopicAuthorizationFailed, connector.Unauthorized},
		{kerr.UnknownServerError, connector.Unreachable},
		{kerr.CorruptMessage, connector.Unreachable},
	} {
		t.Run(tc.code.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { overtake(t, tc.code, tc.reason) })
		})
	}
}

func overtake(t *testing.T, code *kerr.Error, reason connector.Reason) {
	var net kfake.VirtualNetwork
	f, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(net.Listen), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := (&cluster{addr: f.ListenAddrs()[0]}).open(t, func(o *Options) { o.Dial = net.DialContext })
	defer s.Close(t.Context())
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: "t"})
	if err != nil {
		t.Fatal(err)
	}
	write := func(v string, done func(error)) {
		k.Write([]record.Record{{Key: []byte("k"), Value: []byte(v)}}, done)
		time.Sleep(10 * time.Second)
	}
	// Whoever would be told of the refusal is busy with what came before it.
	busy, errs := make(chan struct{}), make(chan error, 2)
	write("a", func(error) { <-busy })
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: code, Count: 1})
	write("b", func(err error) { errs <- err })
	write("c", func(err error) { errs <- err })
	close(busy)
	for range 2 {
		expect(t, <-errs, reason, `topic "t": `+code.Message)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.Dialer(net.DialContext), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if got := readAll(t, cl, "t"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("stored %q, expected a alone", got)
	}
}

// TestWrongGroup: the members of a group speak different protocols.
//
// Fault: members with other protocols -> exit 78: the group is named, says: INCONSISTENT_GROUP_PROTOCOL
func TestWrongGroup(t *testing.T) {
	t.Parallel()
	_, c := fake(t, kfake.SeedTopics(2, "t"))
	cfg := connector.SourceConfig{Step: "in", Stream: "t", Group: "g"}
	first := read(t, c.open(t), cfg)
	first.wait("the partitions", func() bool { return len(first.owned) == 2 })
	other := read(t, c.open(t, func(o *Options) { o.Protocol = Range }), cfg)
	expect(t, other.fails(), connector.Misconfig, `group "g": INCONSISTENT_GROUP_PROTOCOL`, "hint: the other members of the group use another protocol")
}

// TestSourceConfig: what can be said before a broker is asked.
func TestSourceConfig(t *testing.T) {
	t.Parallel()
	_, c := fake(t, kfake.SeedTopics(1, "t"))
	s := c.open(t)
	defer s.Close(t.Context())
	for _, tc := range []struct {
		cfg  connector.SourceConfig
		want string
	}{
		{connector.SourceConfig{Step: "in", Stream: "t"}, `step "in": expected a consumer group, got none`},
		{connector.SourceConfig{Step: "in", Stream: "t", Group: "g", Start: "now"}, `step "in": start: expected earliest or latest, got "now"`},
	} {
		_, err := s.Source(t.Context(), tc.cfg, &reader{})
		expect(t, err, connector.Misconfig, tc.want)
	}
	if _, err := s.Source(t.Context(), connector.SourceConfig{Step: "in", Stream: "t", Group: "g"}, &reader{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Source(t.Context(), connector.SourceConfig{Step: "in", Stream: "t", Group: "g"}, &reader{}); err == nil || !strings.HasPrefix(err.Error(), "BUG:") {
		t.Errorf("a second source: %v, want a BUG", err)
	}
}

// TestBomb: a batch that decompresses to more than it may is an error, not an outage of
// memory.
//
// Fault: decompression bomb -> exit 65: refused before the memory is there for it, says: a batch decompresses to more than 128 MiB
func TestBomb(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED: needs 300 MB")
	}
	_, c := fake(t, kfake.SeedTopics(1, "t"))
	cl := c.client(t, kgo.BrokerMaxWriteBytes(300<<20), kgo.ProducerBatchMaxBytes(256<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: make([]byte, maxBatch+1)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := read(t, c.open(t), connector.SourceConfig{Step: "in", Stream: "t", Group: "g"})
	expect(t, r.fails(), connector.DataGap, "t[0]@0: a batch decompresses to more than 128 MiB")
}

// TestCorruptBatch: a batch whose bytes are not those that were written is refused, and
// not skipped.
//
// Fault: corrupt batch -> exit 65: the position is named; nothing is skipped, says: a batch is damaged
func TestCorruptBatch(t *testing.T) {
	t.Parallel()
	f, c := fake(t, kfake.SeedTopics(1, "t"))
	write(t, c, "t", "", "v")
	f.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		fetch := req.(*kmsg.FetchRequest)
		resp := fetch.ResponseKind().(*kmsg.FetchResponse)
		if len(fetch.Topics) == 0 {
			return nil, nil, false
		}
		value := kmsg.Record{Length: 8, Value: []byte("x")}
		batch := kmsg.RecordBatch{
			Magic: 2, CRC: 4711, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
			NumRecords: 1, Records: value.AppendTo(nil),
		}
		batch.Length = int32(len(batch.AppendTo(nil)) - 12)
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 1, 1, 0
		p.RecordBatches = batch.AppendTo(nil)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = fetch.Topics[0].Topic, fetch.Topics[0].TopicID
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	r := read(t, c.open(t), connector.SourceConfig{Step: "in", Stream: "t", Group: "g"})
	expect(t, r.fails(), connector.DataGap, "t[0]@0: a batch is damaged")
}
