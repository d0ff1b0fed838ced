package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/schema"
)

const (
	registryTime = 30 * time.Second // for one answer
	registryMost = 64 << 20         // bytes of one answer
)

// topicName says that Kafka takes s as the name of a topic, and that it is safe as that of
// a file. A pattern with so many repetitions would be compiled at the start of every command.
func topicName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && (i == 0 || c != '.') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 249
}

// ending of the files of a kind of schema; those without are not read.
var endings = map[sr.SchemaType]string{sr.TypeJSON: ".json", sr.TypeAvro: ".avsc"}

// pull fills the folder of the lock with the latest schemas of its registry, one file per
// topic, and with the earlier ones of Avro, which messages can not be read without. The
// subject of a topic is its name, with or without "-value"; schemas of keys are passed
// over, as are those of other kinds, but for their numbers.
func pull(e *env, l *schema.Lock) error {
	cl, err := registry(l.Registry.URL)
	if err != nil {
		return err
	}
	ctx := context.Background()
	subjects, err := cl.Subjects(ctx)
	if err != nil {
		return registryError(l.Registry.URL, err)
	}
	slices.Sort(subjects)
	files, from := map[string]string{}, map[string]string{}
	taken, versions := map[string]int{}, map[string][]schema.Version{}
	for _, subject := range subjects {
		topic := strings.TrimSuffix(subject, "-value")
		if strings.HasSuffix(subject, "-key") {
			continue
		}
		all, err := cl.Schemas(ctx, subject)
		if err != nil {
			return registryError(l.Registry.URL+", subject "+subject, err)
		}
		if len(all) == 0 {
			continue
		}
		slices.SortFunc(all, func(a, b sr.SubjectSchema) int { return a.Version - b.Version })
		s := all[len(all)-1]
		ending := endings[s.Type]
		why := ""
		switch {
		case ending == "":
			why = fmt.Sprintf("its schema is %s", s.Type)
		case len(s.References) > 0:
			why = "its schema refers to that of " + s.References[0].Subject
		case !topicName(topic):
			why = "no topic has such a name"
		case from[topic] != "":
			return configError{fmt.Errorf("%s: topic %s: expected one subject, got %s and %s", l.Registry.URL, topic, from[topic], subject)}
		}
		if why != "" {
			fmt.Fprintf(e.stdout, "note: subject %s is passed over: %s\n", subject, why)
		}
		if topicName(topic) && (why == "" || ending == "") {
			versions[topic] = known(topic, all, files)
		}
		if why == "" {
			files[topic+ending], from[topic], taken[subject] = s.Schema.Schema+"\n", subject, s.Version
		}
	}
	if len(from) == 0 {
		return configError{fmt.Errorf("registry %s: expected subjects with JSON Schemas or those of Avro, got none of %d", l.Registry.URL, len(subjects))}
	}
	if err := clear(l, files); err != nil {
		return err
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(l.Source, name), []byte(text)); err != nil {
			return err
		}
	}
	l.Registry.Subjects, l.Registry.Versions = taken, versions
	return nil
}

// known are the versions of a topic that are of the same kind as the last one. Where
// messages are read by them, those before the last get files of their own.
func known(topic string, all []sr.SubjectSchema, files map[string]string) (out []schema.Version) {
	last := all[len(all)-1]
	for _, s := range all {
		if s.Type != last.Type {
			continue
		}
		v := schema.Version{ID: s.ID, Version: s.Version}
		switch {
		case s.Type != sr.TypeAvro || len(s.References) > 0:
		case s.Version == last.Version:
			v.File = topic + endings[sr.TypeAvro]
		default:
			v.File = earlier(topic, s.Version)
			files[v.File] = s.Schema.Schema + "\n"
		}
		out = append(out, v)
	}
	return out
}

func earlier(topic string, version int) string {
	return fmt.Sprintf("%s/%s.%d%s", schema.VersionsFolder, topic, version, endings[sr.TypeAvro])
}

// clear removes what was written for subjects and versions that are gone; other files are
// not ours.
func clear(l *schema.Lock, files map[string]string) error {
	// A lock comes from elsewhere: it names files of the folder, and no others.
	var gone []string
	for subject := range l.Registry.Subjects {
		topic := strings.TrimSuffix(subject, "-value")
		if !topicName(topic) {
			continue
		}
		for _, ending := range endings {
			if l.Files[topic+ending] != "" {
				gone = append(gone, topic+ending)
			}
		}
		for _, v := range l.Registry.Versions[topic] {
			if name := earlier(topic, v.Version); v.File == name {
				gone = append(gone, name)
			}
		}
	}
	for _, name := range gone {
		if _, ok := files[name]; ok {
			continue
		}
		if err := os.Remove(filepath.Join(l.Source, filepath.FromSlash(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// registry is a client for the registry at an address.
func registry(address string) (*sr.Client, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, usage("--registry: expected http://HOST or https://HOST, got %q", redacted(u))
	case u.User != nil:
		return nil, usage("--registry: expected an address without a password, since it stands in the lock\nhint: set LEVADA_REGISTRY_USER and LEVADA_REGISTRY_PASSWORD")
	}
	opts := []sr.ClientOpt{
		sr.URLs(address), sr.UserAgent("levada"),
		sr.HTTPClient(&http.Client{Timeout: registryTime, Transport: capped{http.DefaultTransport}}),
	}
	if user := os.Getenv("LEVADA_REGISTRY_USER"); user != "" {
		if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, usage("--registry: expected https, got http and LEVADA_REGISTRY_USER: the password would go over the network as it is")
		}
		opts = append(opts, sr.BasicAuth(user, os.Getenv("LEVADA_REGISTRY_PASSWORD")))
	}
	cl, err := sr.NewClient(opts...)
	if err != nil {
		return nil, configError{fmt.Errorf("--registry: %w", err)}
	}
	return cl, nil
}

// redacted is an address as a message may show it.
func redacted(u *url.URL) string {
	if u == nil {
		return "what is no URL"
	}
	return u.Redacted()
}

func registryError(place string, err error) error {
	out := &connector.Error{Reason: connector.Unreachable, Place: "registry " + place, Err: err, Hint: "check the address and that the registry runs"}
	if _, ok := errors.AsType[*url.Error](err); !ok {
		out.Err = fmt.Errorf("expected the answer of a schema registry, got another one: %w", err)
		out.Hint = "check the address: what answers there is no schema registry, or has trouble of its own"
	}
	if e, ok := errors.AsType[*sr.ResponseError](err); ok {
		if e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden {
			out.Err, out.Reason, out.Hint = err, connector.Unauthorized, "set LEVADA_REGISTRY_USER and LEVADA_REGISTRY_PASSWORD"
		}
	}
	return out
}

// capped ends answers that are larger than any that makes sense.
type capped struct{ http.RoundTripper }

func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{&atMost{res.Body, registryMost}, res.Body}
	}
	return res, err
}

// atMost is a reader that fails behind so many bytes, where io.LimitReader would end as if
// that were all.
type atMost struct {
	r    io.Reader
	left int64
}

func (a *atMost) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, fmt.Errorf("an answer of more than %d bytes", registryMost)
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	return n, err
}
