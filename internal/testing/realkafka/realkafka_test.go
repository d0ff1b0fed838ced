package realkafka

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestStartKillRestart needs Java and 400 MB, so it runs only where it is asked for.
func TestStartKillRestart(t *testing.T) {
	if os.Getenv("LEVADA_REAL_KAFKA") != "1" {
		t.Skip("SKIPPED: LEVADA_REAL_KAFKA=1 runs the tests on a real Kafka")
	}
	k, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(k.dir); !os.IsNotExist(err) {
			t.Errorf("after Stop the folder is still there: %v", err)
		}
	})
	addr, pid := k.Addr(), k.Pid()
	if !answers(addr) {
		t.Fatal("started, but does not answer")
	}
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH || answers(addr) || k.Pid() != 0 {
		t.Fatalf("killed, but process %d is there (%v) or answers", pid, err)
	}
	if err := k.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !answers(addr) {
		t.Error("restarted, but does not answer at the same address")
	}
}

func TestJavaMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "java is not installed") || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("got %v, want that java is not installed, with a hint", err)
	}
}

func TestJavaTooOld(t *testing.T) {
	dir := t.TempDir()
	old := "#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n"
	if err := os.WriteFile(dir+"/java", []byte(old), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	_, err := Start(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "expected Java 17 or later, got openjdk version \"11.0.2\"") {
		t.Errorf("got %v, want that this Java is too old", err)
	}
}

func TestMavenMissing(t *testing.T) {
	dir := t.TempDir()
	for _, tool := range []string{"sh", "dirname"} {
		if err := os.Symlink("/bin/"+tool, dir+"/"+tool); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("LEVADA_KAFKA_LIBS", t.TempDir())
	_, err := Libs(t.Context())
	if err == nil || !strings.Contains(err.Error(), "mvn is not installed") {
		t.Errorf("got %v, want that mvn is not installed", err)
	}
}
