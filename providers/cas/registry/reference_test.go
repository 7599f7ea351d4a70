package registry_test

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// seen is a URL as a browser reads it.
type seen struct{ scheme, host, port, path string }

// browse reads a URL by the algorithm of the URL standard (WHATWG, "basic URL
// parser", for http and https without a base). It shares nothing with the
// parser under test. Hosts beyond ASCII are not folded but refused: whatever
// they become, the registry must not take them.
func browse(raw string) (seen, bool) {
	raw = strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	raw = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(raw)
	scheme, rest, ok := strings.Cut(raw, ":")
	out := seen{scheme: strings.ToLower(scheme)}
	if !ok || out.scheme != "http" && out.scheme != "https" {
		return seen{}, false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	rest = strings.TrimLeft(strings.ReplaceAll(rest, `\`, "/"), "/") // special authority ignore slashes
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		authority = authority[at+1:]
	}
	if out.host, out.port, ok = browseHost(authority); !ok {
		return seen{}, false
	}
	if usual := map[string]string{"http": "80", "https": "443"}[out.scheme]; out.port == "" {
		out.port = usual
	}
	out.path = browsePath(path)
	return out, true
}

func browseHost(authority string) (host, port string, ok bool) {
	end := strings.LastIndex(authority, "]") // a colon inside brackets is none
	if colon := strings.Index(authority[end+1:], ":"); colon >= 0 {
		host, port = authority[:end+1+colon], authority[end+1+colon+1:]
	} else {
		host = authority
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || strings.HasPrefix(port, "+") {
			return "", "", false
		}
		port = strconv.FormatUint(n, 10)
	}
	if inside, isSix := strings.CutPrefix(host, "["); isSix {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		return "[" + ip.String() + "]", port, err == nil && ip.Is6() && ip.Zone() == "" && strings.HasSuffix(host, "]")
	}
	decoded, err := url.PathUnescape(host)
	if err != nil || decoded == "" || strings.ContainsAny(decoded, " #/<>?@[\\]^|%:") {
		return "", "", false // forbidden domain code points
	}
	for _, r := range decoded {
		if r <= ' ' || r >= 0x7f {
			return "", "", false
		}
	}
	decoded = strings.ToLower(decoded)
	if four, isFour, ok := browseFour(decoded); isFour {
		return four, port, ok
	}
	return decoded, port, true
}

// browseFour is the standard's IPv4 parser: one to four numbers, each decimal,
// octal or hexadecimal, the last filling what is left.
func browseFour(host string) (four string, isFour, ok bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	number := func(text string) (uint64, error) {
		switch {
		case text == "0x":
			return 0, nil
		case strings.HasPrefix(text, "0x"):
			return strconv.ParseUint(text[2:], 16, 33)
		case len(text) > 1 && text[0] == '0':
			return strconv.ParseUint(text[1:], 8, 33)
		}
		return strconv.ParseUint(text, 10, 33)
	}
	last := parts[len(parts)-1]
	if _, err := number(last); err != nil && (last == "" || strings.Trim(last, "0123456789") != "") {
		return "", false, false
	}
	if len(parts) > 4 {
		return "", true, false
	}
	var ip uint64
	for i, part := range parts {
		n, err := number(part)
		left := uint(8 * (4 - i))
		switch {
		case err != nil || part == "":
			return "", true, false
		case i == len(parts)-1:
			if n >= 1<<left {
				return "", true, false
			}
			ip |= n
		case n > 255:
			return "", true, false
		default:
			ip |= n << (left - 8)
		}
	}
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}).String(), true, true
}

// browsePath resolves segments of dots, also encoded ones, and decodes the
// rest, since what a browser encodes differs but for the better.
func browsePath(path string) string {
	var out []string
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			out = out[:max(0, len(out)-1)]
			if i == len(segments)-1 {
				out = append(out, "")
			}
		case ".":
			if i == len(segments)-1 {
				out = append(out, "")
			}
		default:
			out = append(out, segment)
		}
	}
	joined := "/" + strings.Join(out, "/")
	if plain, err := url.PathUnescape(joined); err == nil {
		return plain
	}
	return joined
}

// homes is where each registered service may be, for a browser.
var homes = map[string]func(seen) bool{
	"Exact":  func(s seen) bool { return s == seen{"https", "app.univ.example", "443", "/"} },
	"Moodle": func(s seen) bool { return at(s, "https", "moodle.example", "443", "/cas") },
	"Pattern": func(s seen) bool {
		return at(s, "https", "ent.example", "443", "/") || at(s, "https", "www.ent.example", "443", "/")
	},
	"Port": func(s seen) bool { return at(s, "https", "port.example", "8443", "") },
	"Six":  func(s seen) bool { return at(s, "https", "[2001:db8::1]", "443", "") },
	"Four": func(s seen) bool { return at(s, "https", "192.0.2.7", "443", "") },
	"Try": func(s seen) bool {
		return s.host == "localhost" || s.host == "[::1]" || strings.HasPrefix(s.host, "127.") || strings.HasPrefix(s.host, "[::ffff:127.")
	},
}

func at(s seen, scheme, host, port, path string) bool {
	return s.scheme == scheme && s.host == host && s.port == port && (s.path == path || strings.HasPrefix(s.path, strings.TrimSuffix(path, "/")+"/"))
}

// The reference is one only if it reads what the standard says.
func TestReference(t *testing.T) {
	for raw, want := range map[string]seen{
		"https://A.example":              {"https", "a.example", "443", "/"},
		" ht\ntps:\\\\a\\b@c.example\\x": {"https", "a", "443", "/b@c.example/x"},
		"https:a.example:8/x/../y/./z/.": {"https", "a.example", "8", "/y/z/"},
		"http://u@v:w@a.example/%2E%2e":  {"http", "a.example", "80", "/"},
		"http://127.1":                   {"http", "127.0.0.1", "80", "/"},
		"http://0x7f.1:08/":              {"http", "127.0.0.1", "8", "/"},
		"http://2130706433":              {"http", "127.0.0.1", "80", "/"},
		"http://0300.0.519":              {"http", "192.0.2.7", "80", "/"},
		"http://%61.example?/../":        {"http", "a.example", "80", "/"},
		"http://[::FFFF:1]:5/":           {"http", "[::ffff:1]", "5", "/"},
		"http://256.1.1.1":               {},
		"http://a.example:99999":         {},
		"http://a b":                     {},
		"http://":                        {},
		"ftp://a.example":                {},
	} {
		if got, ok := browse(raw); got != want || ok != (want != seen{}) {
			t.Errorf("%q is %v, want %v", raw, got, want)
		}
	}
}

// R-CAS-07: whatever is asked, a service is found only where a browser would
// go to it too: before the ticket is added, and after.
func FuzzFind(f *testing.F) {
	for _, c := range whose {
		f.Add(c.url)
	}
	r := open(f, registered...)
	f.Fuzz(func(t *testing.T, raw string) {
		a, s := r.Find(raw)
		if s == nil {
			return
		}
		for _, to := range []string{a.Bare(), a.With("ticket", "ST-1")} {
			if got, ok := browse(to); !ok || !homes[s.Name](got) {
				t.Errorf("%q is taken for %s, but a browser goes to %+v (%v)", to, s.Name, got, ok)
			}
		}
		if u, err := url.Parse(a.With("ticket", "ST-1")); err != nil || !strings.Contains(u.RawQuery, "ticket=ST-1") {
			t.Errorf("%q has no ticket in its query: %v", a.With("ticket", "ST-1"), err)
		}
		if !r.Same(raw, raw) {
			t.Errorf("%q is not the same as itself", raw)
		}
	})
}
