package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/levada-io/levada/internal/yamldoc"
)

// imports say where .proto files of a folder are looked for.
type imports struct {
	base    string   // what is told where no module has a file
	says    string   // the file that names the modules; "": nobody did
	modules []module // one at least
	deps    []string // what the modules need of others, which are not here
}

// module is a folder that imports are relative to. What it excludes is not there.
type module struct {
	path               string
	includes, excludes []string // folders or files; no includes: all of it
}

func oneModule(folder string) *imports {
	return &imports{base: folder, modules: []module{{path: folder}}}
}

// within says whether a file is at a path or below it.
func within(file, at string) bool { return at == "." || file == at || strings.HasPrefix(file, at+"/") }

// owner is the module of a file: the innermost folder, if that does not exclude it.
func (m *imports) owner(file string) *module {
	var in *module
	for i := range m.modules {
		if at := &m.modules[i]; within(file, at.path) && (in == nil || in.path == "." || len(at.path) > len(in.path)) {
			in = at
		}
	}
	has := func(paths []string) bool {
		return slices.ContainsFunc(paths, func(at string) bool { return within(file, at) })
	}
	if in == nil || has(in.excludes) || len(in.includes) > 0 && !has(in.includes) {
		return nil
	}
	return in
}

// name is how a file is imported; "" where no module has it.
func (m *imports) name(file string) string {
	switch in := m.owner(file); {
	case in == nil:
		return ""
	case in.path == ".":
		return file
	default:
		return strings.TrimPrefix(file, in.path+"/")
	}
}

// file is what name, which is a valid path, imports.
//
// # Errors
//
// Two modules that have it. That none has it is told by whoever opens the file.
func (m *imports) file(fsys fs.FS, name string) (string, error) {
	found := ""
	for i := range m.modules {
		at := path.Join(m.modules[i].path, name)
		if m.owner(at) != &m.modules[i] {
			continue
		}
		if _, err := fs.Stat(fsys, at); (len(m.modules) > 1 || m.says != "") && err != nil {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("%s: expected one file that is imported so, got %s and %s", name, found, at)
		}
		found = at
	}
	switch {
	case found != "":
		return found, nil
	case len(m.modules) == 1 && m.says == "":
		return path.Join(m.base, name), nil
	case m.says == "":
		return "", fmt.Errorf("%s: expected a schema, got none: %w", name, fs.ErrNotExist)
	}
	return "", fmt.Errorf("%s: expected a file of the modules that %s names (%s), got none: %w", name, m.says, m.told(), fs.ErrNotExist)
}

// toldModules is how many modules and dependencies a message names.
const toldModules = 5

func (m *imports) told() string {
	var paths []string
	for _, in := range m.modules {
		paths = append(paths, in.path)
	}
	return some(paths)
}

// some are the first of names.
func some(names []string) string {
	if len(names) > toldModules {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:toldModules], ", "), len(names)-toldModules)
	}
	return strings.Join(names, ", ")
}

// hint is what to do about an import that is not there.
func (m *imports) hint() string {
	switch {
	case len(m.deps) > 0:
		return fmt.Sprintf("nothing is fetched, and it may be of a dependency (%s): buf export %s -o vendor, and vendor as one of the modules", some(m.deps), m.deps[0])
	case m.says != "":
		return "imports are relative to the modules that " + m.says + " names"
	case len(m.modules) > 1:
		return "imports are the references of a registry; what it knows without one is put into " + ReferencesFolder + "/ by hand"
	case m.base != ".":
		return "imports are relative to " + m.base + "/"
	}
	return "imports are relative to the folder of the schemas"
}

// maxModules bounds what every import is held against: modules, and paths of one.
const maxModules = 1000

const (
	bufModule    = "buf.yaml"
	bufWorkspace = "buf.work.yaml"
)

// importsOf are those of the folder fsys: buf's, where it has modules of it; else below
// topics/*.yaml the folder of their schemas; else the folder, with what a registry has
// given names beside it.
func importsOf(fsys fs.FS, pattern string) (*imports, error) {
	base := "."
	if yamls, err := fs.Glob(fsys, "topics/*.yaml"); pattern == "" && err == nil && len(yamls) > 0 {
		base = schemasFolder
	}
	m := &imports{base: base}
	for _, folder := range slices.Compact([]string{base, "."}) {
		for _, name := range []string{bufWorkspace, bufModule} {
			at := path.Join(folder, name)
			if _, err := fs.Stat(fsys, at); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			read := m.bufModule
			if name == bufWorkspace {
				read = m.bufWorkspace
			}
			m.says = at
			return m, read(fsys, folder)
		}
	}
	m.modules = []module{{path: base}}
	if _, err := fs.Stat(fsys, ReferencesFolder); base == "." && err == nil {
		m.modules = append(m.modules, module{path: ReferencesFolder})
	}
	return m, nil
}

// bufWorkspace reads the file that lists folders of modules.
func (m *imports) bufWorkspace(fsys fs.FS, base string) error {
	doc, version, err := bufFile(fsys, path.Join(base, bufWorkspace))
	if err != nil {
		return err
	}
	if version != "v1" {
		return fmt.Errorf("%s: expected version v1, got %s", doc.Name, version)
	}
	folders, err := m.paths(doc, doc.Root, "directories", base)
	if err != nil {
		return err
	}
	if len(folders) == 0 {
		return fmt.Errorf("%s: expected directories, a list, got none", doc.Name)
	}
	for _, at := range folders {
		if _, err := fs.Stat(fsys, path.Join(at, bufModule)); err != nil {
			if err := m.add(fsys, doc.Name, module{path: at}); err != nil {
				return err
			}
			continue
		}
		if err := m.bufModule(fsys, at); err != nil {
			return err
		}
	}
	return nil
}

// bufModule reads the buf.yaml of the folder base: v1 is one module, v2 may be many.
func (m *imports) bufModule(fsys fs.FS, base string) error {
	doc, version, err := bufFile(fsys, path.Join(base, bufModule))
	if err != nil {
		return err
	}
	if deps := doc.Root.Get("deps"); deps != nil && doc.Is(deps, "deps", yamldoc.List) {
		for _, v := range deps.Values {
			if text, ok := doc.String(v, "deps"); ok && !slices.Contains(m.deps, text) {
				m.deps = append(m.deps, text)
			}
		}
	}
	list := doc.Root.Get("modules")
	switch {
	case version == "v1":
		in := module{path: base}
		if build := doc.Root.Get("build"); build != nil && doc.Is(build, "build", yamldoc.Map) {
			if in.excludes, err = m.paths(doc, build, "excludes", base); err != nil {
				return err
			}
		}
		if doc.Err() != nil {
			return doc.Err()
		}
		return m.add(fsys, doc.Name, in)
	case version != "v2":
		return fmt.Errorf("%s: expected version v1 or v2, got %s", doc.Name, version)
	case list == nil:
		in := module{path: base}
		if doc.Err() != nil {
			return doc.Err()
		}
		return m.add(fsys, doc.Name, in)
	}
	if !doc.Is(list, "modules", yamldoc.List) {
		return doc.Err()
	}
	for _, v := range list.Values {
		if !doc.Is(v, "modules", yamldoc.Map) {
			return doc.Err()
		}
		in := module{path: base}
		if at := v.Get("path"); at != nil {
			if in.path, err = m.path(doc, at, "path", base); err != nil {
				return err
			}
		}
		// These are relative to the workspace, not to the module.
		if in.includes, err = m.paths(doc, v, "includes", base); err != nil {
			return err
		}
		if in.excludes, err = m.paths(doc, v, "excludes", base); err != nil {
			return err
		}
		if err := m.add(fsys, doc.Name, in); err != nil {
			return err
		}
	}
	if len(m.modules) == 0 {
		return fmt.Errorf("%s: expected modules, got an empty list", doc.Name)
	}
	return doc.Err()
}

func (m *imports) add(fsys fs.FS, says string, in module) error {
	if info, err := fs.Stat(fsys, in.path); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: expected a folder at %s, a module, got none", says, in.path)
	}
	if len(m.modules) == maxModules {
		return fmt.Errorf("%s: expected at most %d modules in all, got more", says, maxModules)
	}
	if slices.ContainsFunc(m.modules, func(o module) bool { return o.path == in.path }) {
		return fmt.Errorf("%s: expected one module at %s, got two", says, in.path)
	}
	m.modules = append(m.modules, in)
	return nil
}

// bufFile reads one of buf's files, and its version.
func bufFile(fsys fs.FS, name string) (*yamldoc.File, string, error) {
	data, err := read(fsys, name)
	if err != nil {
		return nil, "", err
	}
	doc, err := yamldoc.Parse(name, data)
	if err != nil {
		return nil, "", err
	}
	version := doc.Root.Get("version")
	if doc.Root.Kind != yamldoc.Map || version == nil {
		return nil, "", fmt.Errorf("%s: expected a file of buf, with its version, got none", name)
	}
	text, ok := doc.String(version, "version")
	if !ok {
		return nil, "", doc.Err()
	}
	return doc, text, nil
}

// paths are those of the list at key, which need not be there.
func (m *imports) paths(doc *yamldoc.File, n *yamldoc.Node, key, base string) (out []string, err error) {
	list := n.Get(key)
	if list == nil {
		return nil, nil
	}
	if !doc.Is(list, key, yamldoc.List) {
		return nil, doc.Err()
	}
	if len(list.Values) > maxModules {
		return nil, fmt.Errorf("%s:%d: %s: expected at most %d paths, got %d", doc.Name, list.Line, key, maxModules, len(list.Values))
	}
	for _, v := range list.Values {
		at, err := m.path(doc, v, key, base)
		if err != nil {
			return nil, err
		}
		out = append(out, at)
	}
	return out, nil
}

// path is one, relative to the folder base, and below it.
func (m *imports) path(doc *yamldoc.File, n *yamldoc.Node, key, base string) (string, error) {
	text, ok := doc.String(n, key)
	if !ok {
		return "", doc.Err()
	}
	clean := path.Clean(text)
	if path.IsAbs(clean) || !fs.ValidPath(clean) {
		return "", fmt.Errorf("%s:%d: %s: expected a path below %s, got %q", doc.Name, n.Line, key, base, text)
	}
	return path.Join(base, clean), nil
}
