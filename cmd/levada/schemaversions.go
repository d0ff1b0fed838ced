package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/sr"
)

// Limits of what is taken from one registry. Who has more takes a part of it.
const (
	registryAtOnce   = 8       // requests in flight
	registryVersions = 100_000 // of all subjects
	registryTexts    = 1 << 30 // bytes of all their schemas
)

// takes asks a registry for all versions of subjects. The client's own call for them sends a
// request for each version at once.
type takes struct {
	url      string
	list     func(ctx context.Context, subject string) ([]int, error)
	get      func(ctx context.Context, subject string, version int) (sr.SubjectSchema, error)
	versions int          // that may still come
	bytes    atomic.Int64 // of schemas that may still come
}

func takesFrom(url string, cl *sr.Client) *takes {
	t := &takes{url: url, list: cl.SubjectVersions, get: cl.SchemaByVersion, versions: registryVersions}
	t.bytes.Store(registryTexts)
	return t
}

// all are the versions of a subject, oldest first.
func (t *takes) all(ctx context.Context, subject string) ([]sr.SubjectSchema, error) {
	numbers, err := t.list(ctx, subject)
	if err != nil {
		return nil, registryError(t.url+", subject "+subject, err)
	}
	slices.Sort(numbers)
	if t.versions -= len(numbers); t.versions < 0 {
		return nil, t.tooMany(subject, "%d versions of all subjects", registryVersions)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := make([]sr.SubjectSchema, len(numbers))
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(registryAtOnce, len(numbers)) {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(numbers) {
					return
				}
				s, err := t.get(ctx, subject, numbers[i])
				switch {
				case err != nil:
					stop(registryError(t.url+", subject "+subject, err))
				case t.bytes.Add(-int64(len(s.Schema.Schema))) < 0:
					stop(t.tooMany(subject, "%d bytes of schemas", registryTexts))
				}
				out[i] = s
			}
		})
	}
	running.Wait()
	// The first to fail has stopped the others, whose errors only say so.
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b sr.SubjectSchema) int { return a.Version - b.Version })
	return out, nil
}

func (t *takes) tooMany(subject, what string, most int) error {
	return configError{fmt.Errorf("registry %s: subject %s: expected at most "+what+", got more\nhint: --subjects takes a part of the registry: two folders, with a lock and a package each", t.url, subject, most)}
}
