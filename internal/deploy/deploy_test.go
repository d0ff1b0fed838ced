package deploy

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada/plan"
)

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func TestLoadReadsEverything(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("user", "alice\n")
	path := write("deployment.yaml", `
kafka:
  brokers: [a:9092, "b:9093"]
  group: metrics
  start: latest
  protocol: range
  session_timeout: 30s
  instance_id: metrics-0
  unreachable_budget: 1h30m
  partitioner: crc32
  compression: zstd
  tls: {ca: /ca.pem, cert: /c.pem, key: /k.pem, server_name: kafka}
  sasl: {mechanism: SCRAM-SHA-512, username: "${file:user}", password: "${env:PASSWORD}"}
  insecure: true
streams:
  in: {topic: prod-in}
  out: {connector: file, path: out.jsonl}
lanes: ${env:LANES}
limits: {in_flight: 1GiB, chunk: 500, queue: 100000, batch: 3 MiB}
`)
	c, err := Load(path, environment(map[string]string{"PASSWORD": "hunter2", "LANES": "4"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Kafka.SASL.Password.Reveal(); got != "hunter2" {
		t.Errorf("password %q", got)
	}
	c.Kafka.SASL.Password, c.places = nil, nil
	want := &Config{
		Kafka: Kafka{
			Brokers: []string{"a:9092", "b:9093"}, Group: "metrics", Start: "latest", Protocol: "range", SessionTimeout: 30 * time.Second,
			InstanceID: "metrics-0", Unreachable: 90 * time.Minute, Partitioner: "crc32", Compression: "zstd", Insecure: true,
			TLS:  &TLS{CA: "/ca.pem", Cert: "/c.pem", Key: "/k.pem", ServerName: "kafka"},
			SASL: &SASL{Mechanism: "SCRAM-SHA-512", Username: "alice"},
		},
		Streams: map[string]Stream{"in": {Topic: "prod-in"}, "out": {Connector: "file", Path: "out.jsonl"}},
		Lanes:   4,
		Limits:  Limits{InFlight: 1 << 30, Chunk: 500, Queue: 100000, Batch: 3 << 20},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

func TestDefaultIsValidAndWhatAnEmptyMapGives(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	c, err := parse("d.yaml", []byte("{}"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	c.places = nil
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("got %+v", c)
	}
}

func TestBrokersMayBeOneTextAndTLSABoolean(t *testing.T) {
	c, err := parse("d.yaml", []byte("kafka: {brokers: 'a:1, b:2', tls: true}"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(c.Kafka.Brokers) != "[a:1 b:2]" || c.Kafka.TLS == nil {
		t.Errorf("got %+v", c.Kafka)
	}
}

// Every mistake of a file is reported, with its place, and nothing else is.
func TestLoadReportsEveryMistake(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no map", "- a\n", `
d.yaml:1:1: expected a map, got a list [wrong-type]
    1 | - a
      | ^`},
		{"unknown keys", "kafk: {}\nkafka:\n  broker: a:1\n  bootstrap.servers: a:1\nlanes: 2\n", `
d.yaml:1:1: unknown key "kafk" [unknown-key]
    1 | kafk: {}
      | ^~~~
hint: did you mean "kafka"?
d.yaml:3:3: kafka: unknown key "broker" [unknown-key]
    3 |   broker: a:1
      |   ^~~~~~
hint: did you mean "brokers"?
d.yaml:4:3: kafka: unknown key "bootstrap.servers" [unknown-key]
    4 |   bootstrap.servers: a:1
      |   ^~~~~~~~~~~~~~~~~
hint: it is called brokers here`},
		{"values", "kafka:\n  brokers: [localhost, 3]\n  start: earlyest\n  session_timeout: 10\n  tls: {cert: /c}\nlanes: 0\nlimits:\n  queue: 1KiB\n  batch: 64MB\n  chunk: many\n", `
d.yaml:2:13: kafka.brokers[0]: expected host:port, got "localhost" [wrong-value]
    2 |   brokers: [localhost, 3]
      |             ^~~~~~~~~
d.yaml:2:24: kafka.brokers[1]: expected text, got 3 [wrong-type]
    2 |   brokers: [localhost, 3]
      |                        ^
hint: write it in quotes: "3"
d.yaml:3:10: kafka.start: expected one of earliest, latest, got "earlyest" [wrong-value]
    3 |   start: earlyest
      |          ^~~~~~~~
hint: did you mean "earliest"?
d.yaml:4:20: kafka.session_timeout: expected a duration such as 10s, 5m or 1h30m, got 10 [wrong-value]
    4 |   session_timeout: 10
      |                    ^~
d.yaml:5:8: kafka.tls: expected cert and key together, got one of them [wrong-value]
    5 |   tls: {cert: /c}
      |        ^
d.yaml:6:8: lanes: expected at least 1, got 0 [wrong-value]
    6 | lanes: 0
      |        ^
d.yaml:8:10: limits.queue: expected at least 64KiB, got 1KiB [wrong-value]
    8 |   queue: 1KiB
      |          ^~~~
d.yaml:9:10: limits.batch: expected a size in B, KiB, MiB or GiB, got "64MB" [wrong-value]
    9 |   batch: 64MB
      |          ^~~~
hint: did you mean "64MiB"?
d.yaml:10:10: limits.chunk: expected an integer, got "many" [wrong-type]
   10 |   chunk: many
      |          ^~~~`},
		{"streams", "streams:\n  a: {connector: file}\n  b: {connector: kafka, path: x}\n  c: prod-c\n  d: {connector: kafak}\n", `
d.yaml:2:6: streams.a: expected a path for the connector file, got none [wrong-value]
    2 |   a: {connector: file}
      |      ^
d.yaml:3:31: streams.b.path: the connector kafka has no path [wrong-value]
    3 |   b: {connector: kafka, path: x}
      |                               ^
d.yaml:4:6: streams.c: expected a map, got "prod-c" [wrong-type]
    4 |   c: prod-c
      |      ^~~~~~
d.yaml:5:18: streams.d.connector: expected one of kafka, file, devnull, got "kafak" [wrong-value]
    5 |   d: {connector: kafak}
      |                  ^~~~~
hint: did you mean "kafka"?`},
		{"references", "kafka:\n  group: ${env:GROUP}\n  brokers: \"${env:HOST}:9092\"\n  start: ${var:X}\n  tls: {ca: \"${file:no/such}\"}\n", `
d.yaml:2:10: variable GROUP is not set [missing-variable]
    2 |   group: ${env:GROUP}
      |          ^~~~~~~~~~~~
d.yaml:3:12: expected ${env:NAME} or ${file:/path} and nothing else in the value, got "${env:HOST}:9092" [bad-reference]
    3 |   brokers: "${env:HOST}:9092"
      |            ^~~~~~~~~~~~~~~~~~
d.yaml:4:10: expected ${env:NAME} or ${file:/path} and nothing else in the value, got "${var:X}" [bad-reference]
    4 |   start: ${var:X}
      |          ^~~~~~~~
d.yaml:5:13: open no/such: no such file or directory [missing-file]
    5 |   tls: {ca: "${file:no/such}"}
      |             ^~~~~~~~~~~~~~~`},
		{"sasl without TLS", "kafka:\n  sasl: {mechanism: PLAIN, username: u, password: '${env:SET}'}\n", `
d.yaml:2:9: kafka.sasl: expected TLS, without it the password can be read on the network [wrong-value]
hint: add tls: true, or insecure: true where the network is trusted`},
		{"sasl in part", "kafka:\n  tls: true\n  sasl:\n    mechanism: SCRAM-SHA-1\n", `
d.yaml:4:5: kafka.sasl.username: expected a username, got none [wrong-value]
    4 |     mechanism: SCRAM-SHA-1
      |     ^
d.yaml:4:5: kafka.sasl.password: expected a password, got none [wrong-value]
    4 |     mechanism: SCRAM-SHA-1
      |     ^
hint: password: "${env:KAFKA_PASSWORD}"
d.yaml:4:16: kafka.sasl.mechanism: expected one of SCRAM-SHA-256, SCRAM-SHA-512, PLAIN, got "SCRAM-SHA-1" [wrong-value]
    4 |     mechanism: SCRAM-SHA-1
      |                ^~~~~~~~~~~
hint: did you mean "SCRAM-SHA-512"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse("d.yaml", []byte(c.in), environment(map[string]string{"SET": "x"}))
			if got := fmt.Sprint(err); got != strings.TrimPrefix(c.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, c.want)
			}
		})
	}
}

const canary = "hunter2-canary"

// Whatever is wrong with the file, no message shows what is secret: neither where a
// value comes from elsewhere, nor where somebody wrote it into the file itself.
func TestNoMessageShowsASecret(t *testing.T) {
	for name, in := range map[string]string{
		"plain":               "kafka: {tls: true, sasl: {username: u, password: " + canary + "}}",
		"plain beside others": "kafka: {sasl: {mechanism: X, username: 3, password: " + canary + ", pasword: 1}}",
		"block":               "kafka:\n  tls: true\n  sasl:\n    username: u\n    password: |\n      " + canary + "\n",
		"twice":               "kafka:\n  sasl:\n    password: '${env:C}'\n    password: " + canary + "\n",
		"syntax":              "kafka:\n  sasl: {password: " + canary + "\n lanes: 1\n",
		"tag":                 "kafka: {sasl: {password: !!str " + canary + "}}",
		"as a number":         "lanes: ${env:C}",
		"as a choice":         "kafka: {start: '${env:C}', brokers: '${env:C}', tls: '${env:C}', session_timeout: '${env:C}'}",
		"as a size":           "limits: {queue: '${env:C}'}",
		"as a map":            "streams: ${env:C}",
		"password of all":     "kafka: {sasl: {mechanism: '${env:C}', password: '${env:C}'}}",
		"in a longer text":    "kafka: {sasl: {password: 'x${env:C}'}}",
		"unknown stream":      "streams: {a: {connector: '${env:C}'}}",
		"SASL as text":        "kafka: {sasl: '${env:C}'}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse("d.yaml", []byte(in), environment(map[string]string{"C": canary}))
			if err == nil {
				t.Fatal("expected a mistake")
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the message shows it:\n%v", err)
			}
		})
	}
}

func TestSecretDoesNotShow(t *testing.T) {
	c, err := parse("d.yaml", []byte("kafka: {tls: true, sasl: {username: u, password: '${env:C}'}}"), environment(map[string]string{"C": canary}))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{c, c.Kafka, c.Kafka.SASL, *c.Kafka.SASL, c.Kafka.SASL.Password} {
			if s := fmt.Sprintf(format, v); strings.Contains(s, canary) {
				t.Errorf("%s of %T: %s", format, v, s)
			}
		}
	}
	b, err := json.Marshal(c.Kafka.SASL)
	if err != nil || strings.Contains(string(b), canary) || !strings.Contains(string(b), "[redacted]") {
		t.Errorf("json: %s, %v", b, err)
	}
}

func pipeline() *plan.Plan {
	return &plan.Plan{Name: "metrics", Steps: []plan.Step{
		{Name: "in", Kind: plan.Source, Stream: "ingest", Connector: "kafka"},
		{Name: "out", Kind: plan.Sink, Stream: "results", Connector: "kafka"},
		{Name: "copy", Kind: plan.Sink, Stream: "copies", Connector: "devnull"},
	}}
}

func TestMatchRefusesStreamsThatThePipelineHasNot(t *testing.T) {
	c, err := parse("d.yaml", []byte("streams:\n  ingest: {topic: prod}\n  result: {topic: x}\n  nothing: {topic: x}\n"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := `d.yaml:4:3: streams.nothing: pipeline "metrics" has no such stream [unknown-stream]
hint: its streams are ingest, results, copies
d.yaml:3:3: streams.result: pipeline "metrics" has no such stream [unknown-stream]
hint: did you mean "results"?`
	if got := fmt.Sprint(c.Match(pipeline())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	c.Lanes, c.Kafka.Start = 5000, "yesterday"
	want = "kafka.start: expected one of earliest, latest, got \"yesterday\" [wrong-value]\nlanes: expected 1 to 1024, got 5000 [wrong-value]"
	if got := fmt.Sprint(c.Match(pipeline())); got != want {
		t.Errorf("what the command line sets: got\n%s\nwant\n%s", got, want)
	}
}

func TestPlacement(t *testing.T) {
	c, err := parse("d.yaml", []byte("streams: {ingest: {topic: prod}, results: {connector: file, path: /tmp/r}}"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c.Placement(pipeline()), jsontext.Multiline(false))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"pipeline":"metrics","group":"metrics","brokers":["127.0.0.1:9092"],"lanes":1,` +
		`"limits":{"in_flight":"16MiB","queue":"4MiB","batch":"64MiB","chunk":1000},` +
		`"streams":[{"step":"in","stream":"ingest","connector":"kafka","topic":"prod"},` +
		`{"step":"out","stream":"results","connector":"file","path":"/tmp/r"},` +
		`{"step":"copy","stream":"copies","connector":"devnull"}]}`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"kafka: {brokers: a:1}", "limits: {queue: 1GiB}", "streams: {a: {topic: ${env:X}}}", "lanes: x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "${file:") {
			return // reads what it names
		}
		c, err := parse("d.yaml", data, environment(nil))
		if err == nil && c.Validate() != nil {
			t.Errorf("accepted, and not valid: %v", c.Validate())
		}
	})
}
