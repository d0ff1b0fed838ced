package levada

import (
	"encoding/json/v2"
	"fmt"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// Key is what a route may decide by: the same values exist in every language.
type Key interface {
	~string | ~bool | ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Router is a route that waits for its branches.
type Router[K Key, T any] struct{ at Stream[T] }

// Route sends each message into one branch: that of the key which the function
// returns. A key without a branch fails the message, unless there is an Else.
func (s Stream[T]) Route[K Key](name string, by func(Message[T]) (K, error), opts ...Option) Router[K, T] {
	n, st := s.addStep(name, plan.Route, opts)
	call(s.p, n, st, by, program.Of)
	return Router[K, T]{Stream[T]{p: s.p, at: n}}
}

// Case adds the branch of a key. In the plan it is called like the key; that of an
// empty string is called "empty".
func (r Router[K, T]) Case(key K, branch func(Stream[T])) Router[K, T] {
	n := r.at.at
	text, err := json.Marshal(key)
	if err != nil {
		r.at.p.wrong(n, "bad-branch", "", "key %v: %v", key, err)
		return r
	}
	name := fmt.Sprint(key)
	if text[0] == '"' {
		// A type with a text form of its own is that text in the other languages.
		if err := json.Unmarshal(text, &name); err != nil {
			r.at.p.wrong(n, "bad-branch", "", "key %v: %v", key, err)
			return r
		}
	}
	if name == "" {
		name = "empty"
	}
	r.at.fork(plan.Branch{Name: name, Key: text}, branch)
	return r
}

// Else adds the branch of every key that has none of its own. In the plan it is
// called "otherwise".
func (r Router[K, T]) Else(branch func(Stream[T])) {
	r.at.fork(plan.Branch{Name: "otherwise", Otherwise: true}, branch)
}

// Fanout is a broadcast that waits for its branches.
type Fanout[T any] struct{ at Stream[T] }

// Broadcast sends each message into every branch. A branch does not see what another
// one does with it.
func (s Stream[T]) Broadcast(name string, opts ...Option) Fanout[T] {
	n := s.add(name, plan.Broadcast, opts)
	return Fanout[T]{Stream[T]{p: s.p, at: n}}
}

// Branch adds a branch.
func (f Fanout[T]) Branch(name string, branch func(Stream[T])) Fanout[T] {
	f.at.fork(plan.Branch{Name: name}, branch)
	return f
}

// fork lets the author write the steps of a branch at once, so that the plan has them
// in the order of the source.
func (s Stream[T]) fork(b plan.Branch, branch func(Stream[T])) {
	s.at.Branches = append(s.at.Branches, b)
	if branch == nil {
		s.p.wrong(s.at, "bad-branch", "", "branch %q: expected a function, got nil", b.Name)
		return
	}
	branch(Stream[T]{p: s.p, at: s.at, branch: b.Name})
}
