package frame

import (
	"bufio"
	"encoding/json/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/plan"
)

// crossed is a value in the ways that it crosses into Python by.
type crossed struct {
	Layout  []byte               `json:"layout"`
	Frame   []byte               `json:"frame"`
	JSON    []byte               `json:"json"`
	Msgpack []byte               `json:"msgpack"`
	Type    plan.Type            `json:"type"`
	Types   map[string]plan.Type `json:"types,omitempty"`
}

// returned is what Python made of it.
type returned struct {
	Fault   string `json:"fault"` // where it saw something else in one way than by a frame
	None    bool   `json:"none"`  // Python has no such value, whichever way it comes
	Frame   []byte `json:"frame"`
	JSON    []byte `json:"json"`
	Msgpack []byte `json:"msgpack"`
}

// TestConversions: Python sees the same values of a type whichever way they cross, and what
// it writes in either way is read as what it writes as a frame. The frames are those of the
// codec in C.
func TestConversions(t *testing.T) {
	ask := startPython(t)
	draw := func(t *rapid.T) reflect.Value {
		if rapid.IntRange(0, 9).Draw(t, "unions") == 0 {
			some := rapid.SampledFrom(someUnions()).Draw(t, "of them")
			return reflect.ValueOf(&some)
		}
		typ := drawTypeOf(t, 3, rapid.IntRange(0, 3).Draw(t, "forms") == 0)
		v := reflect.New(typ)
		fill(t, v.Elem(), 4)
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		v := draw(t)
		typ := v.Type().Elem()
		enc, err := NewEncoder(typ)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		c := crossed{Layout: enc.Layout().Append(nil)}
		if c.Type, c.Types, err = TypeOf(typ); err != nil {
			t.Fatal(err)
		}
		l := enc.Layout()
		if c.Frame, err = enc.Append(nil, v.UnsafePointer()); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if c.JSON, err = l.AppendJSON(nil, c.Frame); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if c.Msgpack, err = l.AppendMsgpack(nil, c.Frame); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		got := ask(t, c)
		if got.Fault != "" {
			t.Fatalf("%s\n%s\n%s", typ, c.JSON, got.Fault)
		}
		if got.None {
			return
		}
		want, err := l.AppendJSON(nil, got.Frame)
		if err != nil {
			t.Fatal(err)
		}
		for _, way := range []struct {
			name  string
			text  []byte
			parse func(dst, src []byte) ([]byte, error)
		}{{"json", got.JSON, l.ParseJSON}, {"msgpack", got.Msgpack, func(dst, src []byte) ([]byte, error) { return l.ParseMsgpack(dst, src, false) }}} {
			frame, err := way.parse(nil, way.text)
			if err != nil {
				t.Fatalf("%s: Python wrote %s %q: %v", typ, way.name, way.text, err)
			}
			text, err := l.AppendJSON(nil, frame)
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != string(want) {
				t.Fatalf("%s: by %s\n got %s\nwant %s", typ, way.name, text, want)
			}
		}
	})
}

// startPython starts an interpreter with the codec in C and gives what asks it.
func startPython(t *testing.T) func(t *rapid.T, c crossed) returned {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: what Python makes of values is not compared here")
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc: the codec in C is not built here")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	native, tests := filepath.Join(top, "internal", "bridge", "cpython"), filepath.Join(top, "python", "tests", "native", "codec")
	lib := filepath.Join(t.TempDir(), "codec.so")
	// The result of the test is of these files too, which go test sees where they are read.
	for _, pattern := range []string{"python/src/levada/*.py", "internal/bridge/cpython/*.[ch]", "python/tests/native/codec/*"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.IsDir() {
				continue
			}
			if _, err := os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	args := []string{"-std=gnu11", "-O1", "-fPIC", "-shared", "-I" + filepath.Join(top, "abi"), "-I" + native, "-o", lib, filepath.Join(tests, "codec.c")}
	for _, name := range []string{"layout", "build", "encode", "clock", "symbols"} {
		args = append(args, filepath.Join(native, name+".c"))
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(python, filepath.Join(tests, "crossings.py"), lib)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(top, "python", "src"), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewReader(out)
	return func(t *rapid.T, c crossed) returned {
		text, err := json.Marshal(c, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(append(text, '\n')); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("%v, of %s", err, text)
		}
		var r returned
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
}
