package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
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

// ending of the files of a kind of schema.
var endings = map[sr.SchemaType]string{sr.TypeJSON: ".json", sr.TypeAvro: ".avsc", sr.TypeProtobuf: ".proto"}

// pull fills the folder of the lock with the latest schemas of its registry, one file per
// topic, with what they refer to, and with the earlier ones of Avro, which messages can not
// be read without. The subject of a topic is its name, with or without "-value"; schemas of
// keys are passed over.
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
	r := &references{url: l.Registry.URL, get: cl.SchemaByVersion, known: map[subjectVersion]sr.SubjectSchema{}}
	take := takesFrom(l.Registry.URL, cl)
	var taken [][]sr.SubjectSchema // of each subject, all its versions
	for _, subject := range subjects {
		ok, err := wanted(l.Registry.Match, subject)
		if err != nil {
			return err
		}
		if !ok || strings.HasSuffix(subject, "-key") {
			continue
		}
		all, err := take.all(ctx, subject)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			continue
		}
		for _, s := range all {
			r.known[subjectVersion{s.Subject, s.Version}] = s
		}
		taken = append(taken, all)
	}
	p := &pulled{url: l.Registry.URL, references: r, files: map[string]string{}, from: map[string]string{}, topics: map[string]string{},
		names: map[string]referred{}, places: map[string]string{}, subjects: map[string]int{}, versions: map[string][]schema.Version{}}
	if taken, err = p.own(ctx, e, taken); err != nil {
		return err
	}
	for _, add := range []func(context.Context, []sr.SubjectSchema) error{p.refer, p.add} {
		for _, all := range taken {
			if err := add(ctx, all); err != nil {
				return err
			}
		}
	}
	if len(p.from) == 0 {
		return configError{fmt.Errorf("registry %s: expected subjects of topics, got none of %d", l.Registry.URL, len(subjects))}
	}
	listed, err := schema.Subjects(p.topics)
	if err != nil {
		return err
	}
	p.files[schema.SubjectsFile] = string(listed)
	if err := clear(l, p.files); err != nil {
		return err
	}
	for name, text := range p.files {
		if err := writeFile(filepath.Join(l.Source, filepath.FromSlash(name)), []byte(text)); err != nil {
			return err
		}
	}
	l.Registry.Subjects, l.Registry.Versions, l.Registry.References = p.subjects, p.versions, nil
	for name, n := range p.names {
		if l.Registry.References == nil {
			l.Registry.References = map[string]schema.Reference{}
		}
		l.Registry.References[name] = schema.Reference{Subject: n.Subject, Version: n.Version, File: n.file}
	}
	return nil
}

// wanted says whether one of patterns has a subject; without any they all are.
func wanted(patterns []string, subject string) (bool, error) {
	for _, p := range patterns {
		ok, err := path.Match(p, subject)
		if err != nil {
			return false, usage("--subjects: expected patterns like orders-*, got %q: %v", p, err)
		}
		if ok {
			return true, nil
		}
	}
	return len(patterns) == 0, nil
}

// pulled is what is taken from a registry.
type pulled struct {
	*references
	url      string
	files    map[string]string   // their texts
	topics   map[string]string   // their files
	from     map[string]string   // their subjects
	names    map[string]referred // what schemas refer to
	places   map[string]string   // the names that have their files and folders
	subjects map[string]int
	versions map[string][]schema.Version
}

// own are the subjects that are topics: one that others refer to is a topic only if it is
// called as none but the subject of a topic is.
func (p *pulled) own(ctx context.Context, e *env, taken [][]sr.SubjectSchema) (out [][]sr.SubjectSchema, err error) {
	others := map[string]bool{}
	for _, all := range taken {
		names, err := p.of(ctx, all[len(all)-1])
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			others[n.Subject] = true
		}
	}
	for _, all := range taken {
		subject, why := all[0].Subject, ""
		topic, value := strings.CutSuffix(subject, "-value")
		switch {
		case others[subject] && !value:
			why = "it is what others refer to"
		case !topicName(topic):
			why = "no topic has such a name"
		}
		if why != "" {
			fmt.Fprintf(e.stdout, "note: subject %s is passed over: %s\n", subject, why)
			continue
		}
		out = append(out, all)
	}
	return out, nil
}

// refer takes what the latest schema of a topic refers to.
func (p *pulled) refer(ctx context.Context, all []sr.SubjectSchema) error {
	names, err := p.of(ctx, all[len(all)-1])
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := p.share(names[name]); err != nil {
			return err
		}
	}
	return nil
}

// add takes a topic: its latest schema and its versions.
func (p *pulled) add(ctx context.Context, all []sr.SubjectSchema) error {
	s := all[len(all)-1]
	topic := strings.TrimSuffix(s.Subject, "-value")
	if other := p.from[topic]; other != "" {
		return configError{fmt.Errorf("%s: topic %s: expected one subject, got %s and %s", p.url, topic, other, s.Subject)}
	}
	p.from[topic], p.subjects[s.Subject] = s.Subject, s.Version
	file := topic + endings[s.Type]
	for _, name := range slices.Sorted(maps.Keys(p.names)) {
		switch n := p.names[name]; {
		case n.Subject != s.Subject:
		case n.Version == s.Version:
			if path.Ext(n.file) == endings[s.Type] {
				file = n.file // its types are those that others have of it
			}
		case s.Type == sr.TypeProtobuf:
			return configError{fmt.Errorf("registry %s: %s: expected that others refer to this version, got version %d (by %s): one Go package has one of both\nhint: --subjects takes a part of the registry: two folders, with a lock and a package each", p.url, told(s), n.Version, n.by)}
		}
	}
	p.topics[topic] = file
	p.files[file] = s.Schema.Schema + "\n"
	var err error
	for _, v := range all {
		// Messages are read by versions of the kind that the topic has now.
		if v.Type != s.Type {
			continue
		}
		known := schema.Version{ID: v.ID, Version: v.Version}
		switch {
		case v.Type != sr.TypeAvro:
		case v.Version == s.Version && len(s.References) == 0:
			known.File = p.topics[topic]
		default:
			known.File = earlier(topic, v.Version)
			if p.files[known.File], err = p.whole(ctx, v); err != nil {
				return err
			}
		}
		p.versions[topic] = append(p.versions[topic], known)
	}
	return nil
}

// whole is a schema of Avro as messages are read by it.
func (p *pulled) whole(ctx context.Context, s sr.SubjectSchema) (string, error) {
	if len(s.References) == 0 {
		return s.Schema.Schema + "\n", nil
	}
	names, err := p.of(ctx, s)
	if err != nil {
		return "", err
	}
	texts := map[string]string{}
	for name, n := range names {
		texts[name] = n.Schema.Schema
	}
	text, err := schema.Whole(s.Schema.Schema, texts)
	if err != nil {
		return "", configError{fmt.Errorf("registry %s: %s: %w", p.url, told(s), err)}
	}
	return text + "\n", nil
}

// share puts what schemas refer to into the folder, where each name is one file.
func (p *pulled) share(n referred) error {
	if other, ok := p.names[n.name]; ok && other.Schema.Schema != n.Schema.Schema {
		return configError{fmt.Errorf("registry %s: reference %s: expected one text for all schemas, got %s (by %s) and %s (by %s)\nhint: --subjects takes a part of the registry: two folders, with a lock and a package each",
			p.url, n.name, told(other.SubjectSchema), other.by, told(n.SubjectSchema), n.by)}
	} else if ok {
		return nil
	}
	clash := p.places[n.file]
	for at := path.Dir(n.file); clash == "" && at != schema.ReferencesFolder; at = path.Dir(at) {
		if _, file := p.files[at]; file {
			clash = p.places[at]
		}
	}
	if clash != "" {
		return configError{fmt.Errorf("registry %s: expected references that can be files of one folder, got %s and %s", p.url, min(clash, n.name), max(clash, n.name))}
	}
	for at := n.file; at != schema.ReferencesFolder; at = path.Dir(at) {
		p.places[at] = n.name
	}
	p.names[n.name] = n
	p.files[n.file] = n.Schema.Schema + "\n"
	return nil
}

func earlier(topic string, version int) string {
	return fmt.Sprintf("%s/%s.%d%s", schema.VersionsFolder, topic, version, endings[sr.TypeAvro])
}

// clear removes what was written for subjects, versions and references that are gone; other
// files are not ours.
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
	for name, r := range l.Registry.References {
		if file := schema.ReferenceFile(name, false); file != "" && (r.File == file || r.File == schema.ReferenceFile(name, true)) {
			gone = append(gone, r.File)
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
		sr.HTTPClient(&http.Client{Timeout: registryTime, Transport: capped{transport()}}),
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

// transport keeps as many lines as there are requests at once.
func transport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = registryAtOnce
	return t
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
