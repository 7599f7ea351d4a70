package apereo

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/loge-idp/loge/providers/cas/registry"
)

var (
	bothSchemes = regexp.MustCompile(`^(?:https\?|http\[s\]\?|http\(s\)\?|\((?:\?:)?https?\|https?\))://`)
	plainHTTP   = regexp.MustCompile(`^http://`)
	openEnd     = regexp.MustCompile(`^(.*[^.*+?\\])\.[*+]\??$`)
)

// address sets which URLs are a service's, from the expression that Apereo CAS
// matches against the whole of them. It becomes a URL or a prefix where that is
// provably the same, and a pattern otherwise.
func address(s *registry.Service, expression string, n *notes) error {
	text := strings.TrimPrefix(expression, "^")
	if !strings.HasSuffix(text, `\$`) {
		text = strings.TrimSuffix(text, "$")
	}
	switch {
	case bothSchemes.MatchString(text):
		text = bothSchemes.ReplaceAllString(text, "https://")
		s.Normalise.UpgradeHTTP = true
		n.add("serviceId: http:// is taken too, and upgraded to https:// on the way (normalise.upgradeHTTP)")
	case plainHTTP.MatchString(text):
		s.InsecureHTTP = true
		n.add("serviceId: tickets cross the network in the clear (insecureHTTP); better have https")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return errors.New("does not begin with a scheme and a host: register each host by hand")
	}
	host, path, slash := strings.Cut(rest, "/")
	if open := openEnd.FindStringSubmatch(host); !slash && open != nil {
		host, path, slash = open[1], ".*", true
		n.add("serviceId: also matched hosts that only begin like this one; now it is this host alone")
	}
	if dotted := literalDots(host); dotted != host {
		host = dotted
		n.add("serviceId: an unescaped dot in the host stood for any letter; it is a dot now")
	}
	if slash {
		host += "/"
	}
	text = scheme + "://" + host + path
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return errors.New("is an expression that cannot be had here (RE2 knows no look-around and no back-reference): write another by hand")
	}
	switch tree = tree.Simplify(); {
	case literal(tree):
		s.URL = string(tree.Rune)
	case anythingBelow(tree):
		s.Prefix = string(tree.Sub[0].Rune)
	default:
		s.Pattern = text
	}
	return nil
}

// literal tells of an expression that matches one text.
func literal(re *syntax.Regexp) bool {
	return re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0
}

// anythingBelow tells of an expression that is a text up to a slash and then
// anything: what a prefix covers.
func anythingBelow(re *syntax.Regexp) bool {
	if re.Op != syntax.OpConcat || len(re.Sub) != 2 || !literal(re.Sub[0]) || re.Sub[1].Op != syntax.OpStar {
		return false
	}
	before, any := string(re.Sub[0].Rune), re.Sub[1].Sub[0].Op
	return strings.HasSuffix(before, "/") && !strings.Contains(before, "?") && (any == syntax.OpAnyCharNotNL || any == syntax.OpAnyChar)
}

// literalDots escapes the dots of a host that its author took for dots: those
// that nothing repeats.
func literalDots(host string) string {
	var out strings.Builder
	for i := 0; i < len(host); i++ {
		switch {
		case host[i] == '\\' && i+1 < len(host):
			out.WriteString(host[i : i+2])
			i++
		case host[i] == '.' && (i+1 == len(host) || !strings.ContainsRune("*+?{", rune(host[i+1]))):
			out.WriteString(`\.`)
		default:
			out.WriteByte(host[i])
		}
	}
	return out.String()
}
