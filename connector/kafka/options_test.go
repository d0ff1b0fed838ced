package kafka

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"
)

func TestOptionsValidate(t *testing.T) {
	dir := t.TempDir()
	text := dir + "/text"
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	brokers := []string{"a:9092"}
	login := func() *SASL { return &SASL{Mechanism: Plain, Username: "u", Password: NewSecret("p")} }
	for name, tc := range map[string]struct {
		opts Options
		want []string // nothing: it is right
	}{
		"smallest":      {opts: Options{Brokers: brokers}},
		"all":           {opts: Options{Brokers: brokers, TLS: &TLS{}, SASL: login(), Protocol: KIP848, Partitioner: CRC32, Compression: "zstd", SessionTimeout: time.Minute}},
		"no broker":     {Options{}, []string{"kafka: brokers: expected at least one host:port"}},
		"no port":       {Options{Brokers: []string{"a:1", "b"}}, []string{`kafka: brokers[1]: expected host:port, got "b"`}},
		"empty port":    {Options{Brokers: []string{"b:"}}, []string{`expected host:port, got "b:"`}},
		"protocol":      {Options{Brokers: brokers, Protocol: "sticky"}, []string{`kafka: protocol: expected one of cooperative-sticky, range, kip848, got "sticky"`}},
		"partitioner":   {Options{Brokers: brokers, Partitioner: "x"}, []string{`kafka: partitioner: expected one of murmur2, crc32, got "x"`}},
		"compression":   {Options{Brokers: brokers, Compression: "x"}, []string{`kafka: compression: expected one of none, gzip, snappy, lz4, zstd, got "x"`}},
		"session":       {Options{Brokers: brokers, SessionTimeout: time.Millisecond}, []string{"kafka: session_timeout: expected at least 1s, got 1ms"}},
		"negative":      {Options{Brokers: brokers, Unreachable: -1, FetchMaxBytes: -1, FetchMaxPartitionBytes: -1}, []string{"unreachable:", "fetch_max_bytes:", "fetch_max_partition_bytes:"}},
		"password open": {Options{Brokers: brokers, SASL: login()}, []string{"kafka: sasl: expected TLS", "hint: configure tls, or set insecure: true"}},
		"insecure":      {opts: Options{Brokers: brokers, SASL: login(), Insecure: true}},
		"mechanism":     {Options{Brokers: brokers, TLS: &TLS{}, SASL: &SASL{Mechanism: "GSSAPI", Username: "u", Password: NewSecret("p")}}, []string{`kafka: sasl.mechanism: expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, got "GSSAPI"`}},
		"no login":      {Options{Brokers: brokers, TLS: &TLS{}, SASL: &SASL{}}, []string{"sasl.mechanism:", "sasl.username:", "sasl.password:"}},
		"cert only":     {Options{Brokers: brokers, TLS: &TLS{Cert: "c"}}, []string{"kafka: tls: expected cert and key together"}},
		"ca missing":    {Options{Brokers: brokers, TLS: &TLS{CA: dir + "/none"}}, []string{"kafka: tls: ca: open", "no such file"}},
		"ca no pem":     {Options{Brokers: brokers, TLS: &TLS{CA: text}}, []string{"expected certificates in PEM form"}},
		"cert no pem":   {Options{Brokers: brokers, TLS: &TLS{Cert: text, Key: text}}, []string{"kafka: tls: cert " + text}},
		"all at once":   {Options{Protocol: "x", Compression: "y"}, []string{"brokers:", "protocol:", "compression:"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.opts.Validate()
			if len(tc.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error, want %q", tc.want)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q, want %q in it", err, w)
				}
			}
			_, oerr := Open(t.Context(), &tc.opts)
			if e, ok := oerr.(*connector.Error); !ok || e.Reason != connector.Misconfig {
				t.Errorf("Open: %#v, want a *connector.Error, Misconfig", oerr)
			}
		})
	}
}

func TestOpenWantsItsOptions(t *testing.T) {
	for _, opts := range []any{nil, Options{Brokers: []string{"a:1"}}, "a:1"} {
		if _, err := Open(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "*kafka.Options") {
			t.Errorf("Open(%T): %v, want an error that names the type", opts, err)
		}
	}
}

// TestSecretNeverShows prints a secret in every way that there is.
func TestSecretNeverShows(t *testing.T) {
	const canary = "canary-7f3a"
	s := NewSecret(canary)
	o := &Options{Brokers: []string{"a:1"}, SASL: &SASL{Mechanism: Plain, Username: "u", Password: s}}
	type hidden struct{ s Secret } // fmt calls no methods on what is not exported
	var out strings.Builder
	for _, v := range []any{s, &s, o, *o, *o.SASL, o.SASL, hidden{s}, &hidden{s}, []Secret{s}, map[string]Secret{"k": s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, s.String(), fmt.Errorf("%v", s), fmt.Sprint(o.SASL))
	for _, marshal := range []func(any) ([]byte, error){
		json.Marshal, func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
	} {
		for _, v := range []any{s, o.SASL, map[string]any{"s": s}} {
			b, err := marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(b)
		}
	}
	logs := slog.New(slog.NewJSONHandler(&out, nil))
	logs.Info("x", "secret", s, "sasl", o.SASL)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s, "sasl", *o.SASL)
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret shows in:\n%s", out.String())
	}
	if s.Reveal() != canary || s.IsZero() || !NewSecret("").IsZero() || NewSecret("").Reveal() != "" {
		t.Error("Reveal and IsZero do not tell the text")
	}
}
