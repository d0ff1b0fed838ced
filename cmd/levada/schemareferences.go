package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/levada-io/levada/internal/schema"
)

// Limits of what schemas refer to: a registry that has more is in trouble.
const (
	maxReferences     = 10_000 // of one schema, with those of others
	maxReferenceDepth = 100
)

// subjectVersion is where a registry has a schema.
type subjectVersion struct {
	subject string
	number  int
}

func told(s sr.SubjectSchema) string {
	return fmt.Sprintf("subject %s, version %d", s.Subject, s.Version)
}

// referred is a schema that others have a name for.
type referred struct {
	name, file string
	by         string // who refers to it
	sr.SubjectSchema
}

// references finds what schemas refer to, and asks for each version of a subject once.
type references struct {
	url   string
	get   func(ctx context.Context, subject string, version int) (sr.SubjectSchema, error)
	known map[subjectVersion]sr.SubjectSchema
}

// of is all that a schema refers to, itself or by way of others, by the names that they
// have for it.
func (r *references) of(ctx context.Context, s sr.SubjectSchema) (map[string]referred, error) {
	out := map[string]referred{}
	return out, r.follow(ctx, s, []subjectVersion{{s.Subject, s.Version}}, out, map[subjectVersion]bool{})
}

// follow adds what s refers to; way is how it was come to, and seen are those whose own
// references are added.
func (r *references) follow(ctx context.Context, s sr.SubjectSchema, way []subjectVersion, out map[string]referred, seen map[subjectVersion]bool) error {
	wrong := func(format string, args ...any) error {
		return configError{fmt.Errorf("registry %s: %s: %w", r.url, told(s), fmt.Errorf(format, args...))}
	}
	for _, ref := range s.References {
		file := schema.ReferenceFile(ref.Name, s.Type == sr.TypeAvro)
		switch {
		case ref.Name == "" || ref.Subject == "" || ref.Version == 0 || ref.Version < -1:
			return wrong("expected references with a name, a subject and a version, got %q, %q and %d", ref.Name, ref.Subject, ref.Version)
		case file == "":
			return wrong("expected references with names that files can have, got %.300q", ref.Name)
		case len(way) > maxReferenceDepth:
			return wrong("expected at most %d references behind each other, got more", maxReferenceDepth)
		case len(out) == maxReferences:
			return wrong("expected at most %d references in all, got more", maxReferences)
		}
		at := subjectVersion{ref.Subject, ref.Version}
		to, ok := r.known[at]
		if !ok {
			var err error
			to, err = r.get(ctx, ref.Subject, ref.Version)
			if e, is := errors.AsType[*sr.ResponseError](err); is && e.StatusCode == http.StatusNotFound {
				return wrong("refers to %s (subject %s, version %d), which the registry does not have: %w", ref.Name, ref.Subject, ref.Version, err)
			}
			if err != nil {
				return registryError(fmt.Sprintf("%s, subject %s, version %d", r.url, ref.Subject, ref.Version), err)
			}
			to.Subject = ref.Subject // whatever an alias or a context of the registry makes of it
			r.known[at] = to
		}
		at.number = to.Version
		if ref.Version > 0 && to.Version != ref.Version {
			return wrong("expected subject %s, version %d, for %s, got %s", ref.Subject, ref.Version, ref.Name, told(to))
		}
		if i := slices.Index(way, at); i >= 0 {
			var names []string
			for _, v := range append(slices.Clone(way[i:]), at) {
				names = append(names, fmt.Sprintf("%s (%d)", v.subject, v.number))
			}
			return wrong("expected references that end, got %s", strings.Join(names, " -> "))
		}
		old, twice := out[ref.Name]
		switch {
		case to.Type != s.Type:
			return wrong("expected a schema of %s for %s, got one of %s: %s", s.Type, ref.Name, to.Type, told(to))
		case len(to.Schema.Schema) > schema.MaxBytes:
			return wrong("%s: expected at most %d bytes, got more: %s", ref.Name, schema.MaxBytes, told(to))
		case twice && old.Schema.Schema != to.Schema.Schema:
			return wrong("reference %s: expected one text, got %s (by %s) and %s", ref.Name, told(old.SubjectSchema), old.by, told(to))
		case !twice:
			out[ref.Name] = referred{ref.Name, file, told(s), to}
		}
		if seen[at] {
			continue
		}
		seen[at] = true
		if err := r.follow(ctx, to, append(slices.Clone(way), at), out, seen); err != nil {
			return err
		}
	}
	return nil
}
