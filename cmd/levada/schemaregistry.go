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
	"regexp"
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

// topicName is what Kafka takes as the name of a topic, and safe as that of a file.
var topicName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}$`)

// pull fills the folder of the lock with the latest JSON Schemas of its registry, one file
// per topic. The subject of a topic is its name, with or without "-value"; other kinds of
// schemas and those of keys are passed over.
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
	files, from, versions := map[string]string{}, map[string]string{}, map[string]int{}
	for _, subject := range subjects {
		topic := strings.TrimSuffix(subject, "-value")
		if strings.HasSuffix(subject, "-key") {
			continue
		}
		s, err := cl.SchemaByVersion(ctx, subject, -1)
		if err != nil {
			return registryError(l.Registry.URL+", subject "+subject, err)
		}
		why := ""
		switch {
		case s.Type != sr.TypeJSON:
			why = fmt.Sprintf("its schema is %s", s.Type)
		case len(s.References) > 0:
			why = "its schema refers to that of " + s.References[0].Subject
		case !topicName.MatchString(topic):
			why = "no topic has such a name"
		case from[topic] != "":
			return configError{fmt.Errorf("%s: topic %s: expected one subject, got %s and %s", l.Registry.URL, topic, from[topic], subject)}
		}
		if why != "" {
			fmt.Fprintf(e.stdout, "note: subject %s is passed over: %s\n", subject, why)
			continue
		}
		files[topic+".json"], from[topic], versions[subject] = s.Schema.Schema+"\n", subject, s.Version
	}
	if len(files) == 0 {
		return configError{fmt.Errorf("registry %s: expected subjects with JSON Schemas, got none of %d", l.Registry.URL, len(subjects))}
	}
	// What was written for a subject that is gone goes, too; other files are not ours.
	for subject := range l.Registry.Subjects {
		topic := strings.TrimSuffix(subject, "-value")
		name := topic + ".json"
		// A lock comes from elsewhere: it names files of the folder, and no others.
		if _, ok := files[name]; ok || !topicName.MatchString(topic) {
			continue
		}
		if err := os.Remove(filepath.Join(l.Source, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(l.Source, name), []byte(text)); err != nil {
			return err
		}
	}
	l.Registry.Subjects = versions
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
	if e, ok := errors.AsType[*sr.ResponseError](err); ok {
		out.Hint = ""
		if e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden {
			out.Reason, out.Hint = connector.Unauthorized, "set LEVADA_REGISTRY_USER and LEVADA_REGISTRY_PASSWORD"
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
