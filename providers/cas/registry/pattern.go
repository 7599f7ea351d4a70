package registry

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxHosts is how many hosts a pattern may spell out.
const maxHosts = 64

// compile makes of a pattern an expression that matches whole normal forms
// only, and lists how what it matches begins: a scheme and a host, written out,
// and as much of the path as is certain. An expression that leaves the host
// open is refused: it would match one that somebody else can own.
func compile(pattern string) (*regexp.Regexp, []Address, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		// Of the parser's error, what is wrong but not where: it quotes.
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			err = errors.New(string(wrong.Code))
		}
		return nil, nil, fmt.Errorf("is not a regular expression of RE2: %w", err)
	}
	starts, ok := spell(tree.Simplify(), []start{{open: true}})
	if !ok {
		return nil, nil, errors.New(`could match any host: begin with a scheme and a host that are written out, like https://app\.example\.fr/`)
	}
	var addresses []Address
	for _, s := range starts {
		// Only what ends with a slash is a whole segment.
		a, err := parse(s.text[:strings.LastIndex(s.text, "/")+1])
		if err != nil || !s.whole() {
			return nil, nil, errors.New("must begin with a scheme, a host in its plain form and a slash, like https://app\\.example\\.fr/")
		}
		addresses = append(addresses, a)
	}
	matches, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, nil, errors.New("is not a regular expression of RE2 that can be anchored")
	}
	return matches, addresses, nil
}

// start is how a match may begin; open, as long as more of it is certain.
type start struct {
	text string
	open bool
}

// whole tells whether the start reaches beyond the host.
func (s start) whole() bool {
	_, rest, ok := strings.Cut(s.text, "://")
	return ok && strings.Contains(rest, "/")
}

// spell goes on with starts by what an expression matches. It is false when
// that is too much to write out before the path has begun.
func spell(re *syntax.Regexp, starts []start) ([]start, bool) {
	switch re.Op {
	case syntax.OpLiteral:
		out := make([]start, 0, len(starts))
		for _, s := range starts {
			out = append(out, s.append(string(re.Rune), re.Flags&syntax.FoldCase != 0))
		}
		return out, true
	case syntax.OpConcat, syntax.OpCapture:
		var ok bool
		for _, sub := range re.Sub {
			if starts, ok = spell(sub, starts); !ok {
				return nil, false
			}
		}
		return starts, true
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return starts, true // they match no character
	}
	return branch(re, starts)
}

// branch is spell for what matches one of several things: after the first
// slash of the path nothing more is certain.
func branch(re *syntax.Regexp, starts []start) ([]start, bool) {
	var out, unfinished []start
	for _, s := range starts {
		if s.whole() {
			out = append(out, start{text: s.text})
		} else {
			unfinished = append(unfinished, s)
		}
	}
	if unfinished == nil {
		return out, true
	}
	var ways []*syntax.Regexp
	switch re.Op {
	case syntax.OpAlternate:
		ways = re.Sub
	case syntax.OpQuest:
		ways = []*syntax.Regexp{re.Sub[0], {Op: syntax.OpEmptyMatch}}
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if len(ways) == maxHosts {
					return nil, false
				}
				ways = append(ways, &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{r}})
			}
		}
	default: // any character, any number of times
		return nil, false
	}
	for _, way := range ways {
		more, ok := spell(way, unfinished)
		if out = append(out, more...); !ok || len(out) > maxHosts {
			return nil, false
		}
	}
	return out, true
}

// append goes on with a text. When the case of its letters does not count, all
// that is certain ends with the host.
func (s start) append(text string, anyCase bool) start {
	if !s.open {
		return s
	}
	if !anyCase {
		s.text += text
		return s
	}
	if s.whole() {
		s.open = false
		return s
	}
	s.text += strings.ToLower(text)
	if s.whole() {
		host := strings.Index(s.text, "://") + len("://")
		s.text, s.open = s.text[:host+strings.Index(s.text[host:], "/")+1], false
	}
	return s
}
