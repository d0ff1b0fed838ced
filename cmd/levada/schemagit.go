package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/schema"
)

const (
	gitTime  = 5 * time.Minute // for one command
	gitFiles = 20_000          // of one repository
	gitBytes = 256 << 20
)

// copyGit makes the folder of the lock a copy of its repository at what the ref is now,
// and pins the commit. It is the one command beside Go that levada calls: the ways to a
// repository, its keys and its helpers for passwords are git's own.
func copyGit(e *env, l *schema.Lock) error {
	g := l.Git
	u, err := url.Parse(g.URL)
	switch {
	case strings.HasPrefix(g.URL, "-") || strings.Contains(g.URL, "::"):
		return usage("--git: expected the address of a repository, got %q", g.URL)
	case err == nil && u.User != nil && u.Scheme != "ssh":
		return usage("--git: expected an address without a password, since it stands in the lock\nhint: git has helpers for passwords")
	case g.Ref == "" || strings.HasPrefix(g.Ref, "-") || strings.ContainsAny(g.Ref, ": "):
		return usage("--ref: expected a branch, a tag or a commit, got %q", g.Ref)
	case g.Path != "" && !filepath.IsLocal(g.Path):
		return usage("--path: expected a folder of the repository, got %q", g.Path)
	}
	dir, err := os.MkdirTemp("", "levada-git-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := git(dir, "init", "-q", "--bare"); err != nil {
		return err
	}
	if _, err := git(dir, "fetch", "-q", "--depth=1", "--no-tags", "--", g.URL, g.Ref); err != nil {
		return gitError(g, err)
	}
	commit, err := git(dir, "rev-parse", "--verify", "FETCH_HEAD^{commit}")
	if err != nil {
		return gitError(g, err)
	}
	g.Commit = strings.TrimSpace(string(commit))
	tree := g.Commit + ":" + filepath.ToSlash(filepath.Clean(g.Path))
	if g.Path == "" {
		tree = g.Commit
	}
	archive, err := git(dir, "archive", "--format=tar", tree)
	if err != nil {
		return configError{fmt.Errorf("git %s, %s: expected a folder %q, got none: %w", g.URL, g.Ref, g.Path, err)}
	}
	files, err := unpacked(e, archive)
	if err != nil {
		return configError{fmt.Errorf("git %s, %s: %w", g.URL, g.Ref, err)}
	}
	for _, name := range g.Files {
		// A lock comes from elsewhere: it names files of the folder, and no others.
		if _, ok := files[name]; ok || !filepath.IsLocal(name) {
			continue
		}
		if err := os.Remove(filepath.Join(l.Source, filepath.FromSlash(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	g.Files = g.Files[:0]
	for name, text := range files {
		if err := writeFile(filepath.Join(l.Source, filepath.FromSlash(name)), text); err != nil {
			return err
		}
		g.Files = append(g.Files, name)
	}
	slices.Sort(g.Files)
	fmt.Fprintf(e.stdout, "git %s, %s: commit=%.12s files=%d\n", g.URL, g.Ref, g.Commit, len(g.Files))
	return nil
}

// unpacked are the files of an archive.
func unpacked(e *env, archive []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		switch h.Typeflag {
		case tar.TypeReg:
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		default:
			fmt.Fprintf(e.stdout, "note: %s is passed over: it is no file\n", h.Name)
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return nil, fmt.Errorf("expected files of a folder, got %q, which leaves it", h.Name)
		}
		if len(files) == gitFiles {
			return nil, fmt.Errorf("expected at most %d files, got more\nhint: --path takes a part", gitFiles)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

// git runs a command of git in the repository dir.
func git(dir string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	// Nobody is asked for a password, and an address names no program to run.
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "LC_ALL=C", "GIT_DIR="+dir)
	var stderr bytes.Buffer
	out := &limited{}
	cmd.Stdout, cmd.Stderr = out, &stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, configError{errors.New("git: expected it on PATH, got none")}
	case out.over:
		return nil, configError{fmt.Errorf("git %s: expected at most %d bytes, got more", args[0], gitBytes)}
	case ctx.Err() != nil:
		return nil, fmt.Errorf("git %s: expected an answer within %s, got none", args[0], gitTime)
	case err != nil:
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, errors.New(strings.TrimPrefix(strings.TrimPrefix(lines[0], "fatal: "), "error: "))
	}
	return out.Bytes(), nil
}

// limited is a buffer that ends what writes more than makes sense.
type limited struct {
	bytes.Buffer
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > gitBytes {
		l.over = true
		return 0, errors.New("too much")
	}
	return l.Buffer.Write(p)
}

// gitError tells a ref that there is not from a repository that can not be reached.
func gitError(g *schema.Git, err error) error {
	if c, ok := errors.AsType[configError](err); ok {
		return c
	}
	if text := err.Error(); strings.Contains(text, "remote ref") || strings.Contains(text, "not our ref") || strings.Contains(text, "unadvertised object") {
		return configError{fmt.Errorf("git %s: expected a branch, a tag or a commit %q, got none: %w", g.URL, g.Ref, err)}
	}
	return &connector.Error{Reason: connector.Unreachable, Place: "git " + g.URL, Err: err, Hint: "check the address, and that git clone reaches it from here"}
}
