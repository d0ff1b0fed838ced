package frame

import "regexp/syntax"

// run is a stretch of bytes of one set.
type run struct {
	set      [256]bool
	min, max int // max < 0: without end
}

// runsOf is a short cut for the patterns that most schemas have, such as ^[0-9a-f]{32}$: runs
// of ASCII characters from the first to the last one, each ending where the next begins,
// so that nothing is tried twice. It is nil for all others, which package regexp matches.
func runsOf(pattern string) func(s string) bool {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || len(re.Sub) < 3 ||
		re.Sub[0].Op != syntax.OpBeginText || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
		return nil
	}
	var runs []run
	for _, sub := range re.Sub[1 : len(re.Sub)-1] {
		from, to := 1, 1
		switch sub.Op {
		case syntax.OpLiteral:
			for _, c := range sub.Rune {
				r := run{min: 1, max: 1}
				if sub.Flags&syntax.FoldCase != 0 || !r.add(c, c) {
					return nil
				}
				runs = append(runs, r)
			}
			continue
		case syntax.OpRepeat:
			from, to = sub.Min, sub.Max
		case syntax.OpPlus:
			to = -1
		case syntax.OpStar:
			from, to = 0, -1
		case syntax.OpQuest:
			from = 0
		}
		if sub.Op != syntax.OpCharClass {
			if len(sub.Sub) != 1 {
				return nil
			}
			sub = sub.Sub[0]
		}
		r := run{min: from, max: to}
		switch {
		case sub.Op == syntax.OpLiteral && len(sub.Rune) == 1 && sub.Flags&syntax.FoldCase == 0:
			if !r.add(sub.Rune[0], sub.Rune[0]) {
				return nil
			}
		case sub.Op == syntax.OpCharClass:
			for i := 0; i < len(sub.Rune); i += 2 {
				if !r.add(sub.Rune[i], sub.Rune[i+1]) {
					return nil
				}
			}
		default:
			return nil
		}
		runs = append(runs, r)
	}
	for i := range runs {
		if runs[i].min == runs[i].max {
			continue
		}
		for j := i + 1; j < len(runs); j++ {
			if runs[i].meets(&runs[j]) {
				return nil
			}
			if runs[j].min > 0 {
				break
			}
		}
	}
	return func(s string) bool {
		at := 0
		for i := range runs {
			r := &runs[i]
			end := len(s)
			if r.max >= 0 {
				end = min(end, at+r.max)
			}
			from := at
			for at < end && r.set[s[at]] {
				at++
			}
			if at-from < r.min {
				return false
			}
		}
		return at == len(s)
	}
}

func (r *run) add(from, to rune) bool {
	if to >= 0x80 {
		return false
	}
	for c := from; c <= to; c++ {
		r.set[c] = true
	}
	return true
}

func (r *run) meets(o *run) bool {
	for c := range r.set {
		if r.set[c] && o.set[c] {
			return true
		}
	}
	return false
}
