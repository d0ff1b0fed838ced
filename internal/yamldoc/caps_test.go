package yamldoc

import (
	"runtime"
	"strings"
	"testing"
)

// 200 kB of nested YAML, in every way that YAML nests, is refused for a small multiple of
// its size: the depth is known before a tree is made of it.
//
// Fault: 200 kB of nested YAML -> goes on: refused for less than 10 times its size in memory, says: expected at most 64 levels of nesting
func TestNestingIsCheap(t *testing.T) {
	const size = 200 << 10
	var indented strings.Builder
	for i := 0; indented.Len() < size; i++ {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"lists":          strings.Repeat("[", size/2) + strings.Repeat("]", size/2),
		"lists, open":    strings.Repeat("[", size),
		"maps":           strings.Repeat("{a: ", size/5) + strings.Repeat("}", size/5),
		"maps, open":     strings.Repeat("{a: ", size/4),
		"lists of lists": strings.Repeat("- ", size/2),
		"keys":           strings.Repeat("? ", size/2),
		"indented":       indented.String(),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse("f.yaml", []byte(text))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "expected at most 64 levels of nesting") {
				t.Errorf("expected it to be too deep, got %.300v", err)
			}
			used := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes of YAML, %d allocated", len(text), used)
			if used > 10*uint64(len(text)) {
				t.Errorf("%d bytes of YAML made the reader allocate %d", len(text), used)
			}
		})
	}
}
