package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// python is an interpreter that has the levada package.
type python struct {
	path string
}

// findPython takes the interpreter that a person would expect: the one that was named,
// the active virtual environment's, the one of .venv here, python3.
func findPython(named string) (*python, error) {
	candidates := []string{named}
	if named == "" {
		candidates = nil
		if venv := os.Getenv("VIRTUAL_ENV"); venv != "" {
			candidates = append(candidates, filepath.Join(venv, "bin", "python"))
		}
		candidates = append(candidates, filepath.Join(".venv", "bin", "python"), "python3", "python")
	}
	for _, c := range candidates {
		path, err := exec.LookPath(c)
		if err != nil && !errors.Is(err, exec.ErrDot) {
			continue
		}
		p := &python{path}
		return p, p.hasLevada()
	}
	if named != "" {
		return nil, usage("--python: expected an interpreter, found no program %q", named)
	}
	return nil, usage("this pipeline needs Python: expected an interpreter on PATH, found none\n" +
		"hint: activate a virtual environment, or pass --python PATH")
}

// hasLevada asks before the run, so that the answer is levada's and not a traceback.
func (p *python) hasLevada() error {
	const ask = `import sys, importlib.util as u
sys.exit(64 if sys.version_info < (3, 11) else 65 if u.find_spec("levada") is None else 0)`
	err := exec.Command(p.path, "-c", ask).Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ended) && ended.ExitCode() == 64:
		return usage("%s: expected CPython 3.11 or newer, got an older one\n"+
			"hint: pass --python PATH, or activate another virtual environment", p.path)
	case errors.As(err, &ended) && ended.ExitCode() == 65:
		return usage("%s: expected the Python package levada, found none\n"+
			"hint: %s -m pip install levada, or pass --python PATH", p.path, p.path)
	}
	return usage("%s: expected a Python interpreter: %v", p.path, err)
}

// become replaces this process by `python -m levada`: signals, exit code and terminal
// are then the interpreter's own.
func (p *python) become(args []string) error {
	argv := append([]string{p.path, "-m", "levada"}, args...)
	return fmt.Errorf("%s: %w", p.path, syscall.Exec(p.path, argv, os.Environ()))
}

// run runs `python -m levada` beside something that this process has to keep, and
// passes signals on. It returns when the interpreter has ended.
func (p *python) run(e *env, args []string) error {
	cmd := p.command(e, args)
	cmd.Stdout = e.stdout
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	// A terminal sends Ctrl-C to the whole group: in a group of its own the interpreter
	// gets exactly what is passed on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			// An interpreter that has just ended does not take it any more.
			_ = cmd.Process.Signal(s)
		case err := <-ended:
			return ofProcess(err)
		}
	}
}

// output is what `python -m levada` prints.
func (p *python) output(e *env, args []string) ([]byte, error) {
	cmd := p.command(e, args)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	return out.Bytes(), ofProcess(err)
}

// module is what another module of the package prints.
func (p *python) module(e *env, name string, args []string) ([]byte, error) {
	cmd := exec.Command(p.path, append([]string{"-m", name}, args...)...)
	cmd.Stdin, cmd.Stderr = e.stdin, e.stderr
	out, err := cmd.Output()
	return out, ofProcess(err)
}

func (p *python) command(e *env, args []string) *exec.Cmd {
	cmd := exec.Command(p.path, append([]string{"-m", "levada"}, args...)...)
	cmd.Stdin, cmd.Stderr = e.stdin, e.stderr
	return cmd
}

// ofProcess turns the end of a child into that of this process: it has told its errors.
func ofProcess(err error) error {
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	if ended.ExitCode() < 0 { // killed by a signal
		return fmt.Errorf("python: %v", ended)
	}
	return exit(ended.ExitCode())
}
