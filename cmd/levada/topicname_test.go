package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestTopicNames(t *testing.T) {
	re := regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}$`)
	names := []string{"", "a", "Z9", "_a", "-a", ".a", "a.b", "..", "a/b", "a@", "a[", "a`", "a{", "a:", "aé", "a\n", "a\xff", "a b"}
	for _, n := range []int{248, 249, 250} {
		names = append(names, strings.Repeat("t", n))
	}
	for c := range 256 {
		names = append(names, string([]byte{byte(c)}), string([]byte{'t', byte(c)}))
	}
	for _, name := range names {
		if got, want := topicName(name), re.MatchString(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}
