// Package supply says what a program was linked from: its modules as a bill of materials
// in the form of CycloneDX, and the licences of all of them. It knows what the Go linker
// left in the program, and the texts in licences.txt; it asks no network.
package supply

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// licences.txt holds, for every module that a program of ours can link, its licences:
// a head "=== path (SPDX expression)", then the texts. The tests write it.
//
//go:embed licences.txt
var licences string

// Std is the name that the Go toolchain's own packages have here.
const Std = "std"

// Licence is what one module may be used under.
type Licence struct {
	Module string // its path, or Std
	SPDX   string // an expression; empty: not known
	Text   string
}

var head = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^=== (\S+) \((.*)\)\n`) })

var known = sync.OnceValue(func() map[string]Licence {
	return Parse(licences)
})

// Parse reads what Format wrote.
func Parse(text string) map[string]Licence {
	all := map[string]Licence{}
	heads := head().FindAllStringSubmatchIndex(text, -1)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		l := Licence{Module: text[h[2]:h[3]], SPDX: text[h[4]:h[5]], Text: strings.TrimSpace(text[h[1]:end])}
		all[l.Module] = l
	}
	return all
}

// Format writes licences for people, and for Parse.
func Format(all []Licence) string {
	var b strings.Builder
	for _, l := range all {
		fmt.Fprintf(&b, "=== %s (%s)\n\n%s\n\n", l.Module, l.SPDX, cmp.Or(l.Text, "The module has no licence file."))
	}
	return b.String()
}

// Licences are those of all modules in a program, in the order of their paths; the
// program's own module is left out, unless it is Levada. more are of modules that this
// package does not know.
func Licences(info *debug.BuildInfo, more ...Licence) []Licence {
	own := map[string]Licence{}
	for _, l := range more {
		own[l.Module] = l
	}
	modules := append([]*debug.Module{{Path: Std}}, info.Deps...)
	if _, ours := known()[info.Main.Path]; ours {
		modules = append(modules, &info.Main)
	}
	var all []Licence
	for _, m := range modules {
		l, ok := known()[m.Path]
		if !ok {
			l = own[m.Path]
			l.Module = m.Path
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Licence) int { return cmp.Compare(a.Module, b.Module) })
	return all
}

// Missing are the modules of a program whose licences this package does not know.
func Missing(info *debug.BuildInfo) []string {
	var paths []string
	for _, m := range info.Deps {
		if _, ok := known()[m.Path]; !ok {
			paths = append(paths, m.Path)
		}
	}
	return paths
}

var files = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`) })

// ReadFolders reads the licence files in folders, each text once.
func ReadFolders(folders ...string) (string, error) {
	var texts []string
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return "", fmt.Errorf("licences: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() || !files().MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				return "", fmt.Errorf("licences: %w", err)
			}
			text := strings.TrimSpace(string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))))
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return strings.Join(texts, "\n\n"), nil
}

// The members of CycloneDX that are used here.
type (
	document struct {
		Format      string       `json:"bomFormat"`
		Spec        string       `json:"specVersion"`
		Version     int          `json:"version"`
		Metadata    metadata     `json:"metadata"`
		Components  []component  `json:"components"`
		Dependences []dependence `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		PURL       string     `json:"purl"`
		Licences   []licence  `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		Expression string `json:"expression"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependence struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
)

// SBOM is the bill of materials of a program, as CycloneDX 1.6 in JSON. The same program
// gives the same bytes: it names no time and no machine.
func SBOM(info *debug.BuildInfo) ([]byte, error) {
	main := info.Main
	if main.Path == "" {
		main.Path = info.Path
	}
	if main.Version == "(devel)" {
		main.Version = "" // a purl with a version names one that was released
	}
	d := document{Format: "CycloneDX", Spec: "1.6", Version: 1}
	d.Metadata.Component = of("application", &main)
	for _, s := range info.Settings {
		switch s.Key {
		// The others are paths and flags of whoever built it.
		case "GOOS", "GOARCH", "CGO_ENABLED", "-buildmode":
			c := &d.Metadata.Component
			c.Properties = append(c.Properties, property{"levada:build:" + strings.TrimPrefix(s.Key, "-"), s.Value})
		}
	}
	on := []string{}
	release, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ") // experiments stand behind it
	for _, m := range append([]*debug.Module{{Path: Std, Version: release}}, info.Deps...) {
		c := of("library", m)
		d.Components = append(d.Components, c)
		on = append(on, c.Ref)
	}
	d.Dependences = []dependence{{d.Metadata.Component.Ref, on}}
	b, err := json.Marshal(d, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("BUG: sbom: %w", err)
	}
	return append(b, '\n'), nil
}

func of(kind string, m *debug.Module) component {
	path, version, sum := m.Path, m.Version, m.Sum
	if r := m.Replace; r != nil {
		if local := strings.HasPrefix(r.Path, ".") || filepath.IsAbs(r.Path); local {
			version, sum = "", "" // a folder on the machine of whoever built it
		} else {
			path, version, sum = r.Path, r.Version, r.Sum
		}
	}
	c := component{Type: kind, Name: path, Version: version, PURL: "pkg:golang/" + path}
	if version != "" {
		c.PURL += "@" + strings.ReplaceAll(version, "+", "%2B")
	}
	c.Ref = c.PURL
	if l := known()[m.Path]; l.SPDX != "" {
		c.Licences = []licence{{l.SPDX}}
	}
	if sum != "" {
		c.Properties = append(c.Properties, property{"golang:h1", sum})
	}
	return c
}
