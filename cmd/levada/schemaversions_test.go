package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/sr"
)

// A registry with many versions gets no more requests than it can answer at a time, and what
// it answers is in order, whichever answer comes first.
func TestVersionsAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const versions = 50
		asked, answer := make(chan int, versions), make([]chan bool, versions+1)
		ts := &takes{versions: versions}
		ts.bytes.Store(registryTexts)
		ts.list = func(context.Context, string) (out []int, err error) {
			for v := versions; v > 0; v-- {
				out, answer[v] = append(out, v), make(chan bool)
			}
			return out, nil
		}
		ts.get = func(_ context.Context, subject string, v int) (sr.SubjectSchema, error) {
			asked <- v
			<-answer[v]
			return sr.SubjectSchema{Subject: subject, Version: v}, nil
		}
		var got []sr.SubjectSchema
		go func() {
			var err error
			if got, err = ts.all(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}()
		// Of those in flight the last one is answered first.
		var flight []int
		for done := 0; done < versions; done++ {
			synctest.Wait()
			for len(asked) > 0 {
				flight = append(flight, <-asked)
			}
			if want := min(registryAtOnce, versions-done); len(flight) != want {
				t.Fatalf("%d of %d are answered: expected %d requests in flight, got %d", done, versions, want, len(flight))
			}
			last := len(flight) - 1
			answer[flight[last]] <- true
			flight = flight[:last]
		}
		synctest.Wait()
		for i, s := range got {
			if s.Subject != "a" || s.Version != i+1 {
				t.Fatalf("place %d has version %d of %s", i, s.Version, s.Subject)
			}
		}
		if len(got) != versions {
			t.Errorf("expected %d versions, got %d", versions, len(got))
		}
	})
}

// The first answer that is none ends it: the others are hung up on, and no more are asked for.
func TestVersionsEndWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, hungUp atomic.Int64
		ts := &takes{url: "http://r", versions: 100}
		ts.bytes.Store(registryTexts)
		ts.list = func(context.Context, string) (out []int, err error) {
			return []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, nil
		}
		ts.get = func(ctx context.Context, _ string, v int) (sr.SubjectSchema, error) {
			asked.Add(1)
			if v == 3 {
				return sr.SubjectSchema{}, errors.New("no schema")
			}
			<-ctx.Done()
			hungUp.Add(1)
			return sr.SubjectSchema{}, ctx.Err()
		}
		_, err := ts.all(t.Context(), "a")
		if err == nil || !strings.Contains(err.Error(), "registry http://r, subject a: ") || !strings.Contains(err.Error(), "no schema") {
			t.Errorf("got %v", err)
		}
		if n := asked.Load(); n > registryAtOnce || hungUp.Load() != n-1 {
			t.Errorf("asked for %d, hung up on %d", n, hungUp.Load())
		}
	})
}

// Fault: registry with more than can be held -> refused: nothing is written, says: expected at most 100000 versions of all subjects, got more
func TestTooManyVersions(t *testing.T) {
	many := make([]int, registryVersions-1)
	ts := takesFrom("http://r", nil)
	ts.list = func(_ context.Context, subject string) ([]int, error) { return many[:len(subject)], nil }
	ts.get = func(_ context.Context, subject string, v int) (sr.SubjectSchema, error) {
		return sr.SubjectSchema{Subject: subject, Version: v}, nil
	}
	if all, err := ts.all(t.Context(), "ab"); err != nil || len(all) != 2 {
		t.Fatalf("%d, %v", len(all), err)
	}
	ts.list = func(context.Context, string) ([]int, error) { return many, nil }
	_, err := ts.all(t.Context(), "c")
	if want := "registry http://r: subject c: expected at most 100000 versions of all subjects, got more\nhint: --subjects takes a part"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("expected %q, got %v", want, err)
	}

	// So with what they say.
	ts = takesFrom("http://r", nil)
	ts.list = func(context.Context, string) ([]int, error) { return many[:256], nil }
	text := strings.Repeat(" ", registryTexts/128)
	ts.get = func(context.Context, string, int) (sr.SubjectSchema, error) {
		return sr.SubjectSchema{Schema: sr.Schema{Schema: text}}, nil
	}
	_, err = ts.all(t.Context(), "a")
	if want := fmt.Sprintf("expected at most %d bytes of schemas, got more", registryTexts); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("expected %q, got %v", want, err)
	}
}
