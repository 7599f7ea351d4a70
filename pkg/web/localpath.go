package web

import (
	"net/url"
	"path"
	"strings"
	"unicode"
)

// LocalPath reports whether a value of a return parameter stays on this site:
// an absolute path in its shortest form, with a query of any kind. Everything
// that a browser or a proxy could read as another host is refused: //evil,
// /\evil, https:evil, /%09/evil, /a/..//evil (R-WEB-08).
func LocalPath(value string) bool {
	if !strings.HasPrefix(value, "/") || strings.ContainsFunc(value, func(r rune) bool { return r == '\\' || !unicode.IsPrint(r) }) {
		return false
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Fragment != "" {
		return false
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r == '\\' || !unicode.IsPrint(r) }) {
		return false
	}
	return path.Clean(u.Path) == strings.TrimSuffix(u.Path, "/") || u.Path == "/"
}
