package cas

import (
	"html"
	"net/url"
	"regexp"
	"strings"
)

// tag is an opening tag of a page, with what stands between it and the next
// one.
type tag struct {
	name  string
	attrs map[string]string
	text  string
}

// raw are the elements whose content is no markup.
var raw = map[string]bool{"script": true, "style": true, "textarea": true, "title": true}

// tags reads a page as far as a form and its way on need it: the opening and
// closing tags in their order, without a tree. A closing tag has a slash
// before its name.
func tags(page string) []tag {
	var all []tag
	for page != "" {
		start := strings.IndexByte(page, '<')
		if start < 0 {
			break
		}
		if len(all) > 0 {
			all[len(all)-1].text += page[:start]
		}
		page = page[start:]
		if strings.HasPrefix(page, "<!--") {
			_, page, _ = strings.Cut(page, "-->")
			continue
		}
		var t tag
		t, page = readTag(page)
		if t.name == "" {
			continue
		}
		if raw[t.name] {
			end := strings.Index(strings.ToLower(page), "</"+t.name)
			if end < 0 {
				end = len(page)
			}
			t.text, page = page[:end], page[end:]
		}
		all = append(all, t)
	}
	return all
}

var (
	tagName   = regexp.MustCompile(`^</?[A-Za-z][^\s/>]*`)
	attribute = regexp.MustCompile(`^[\s/]*([^\s=/>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?`)
)

// readTag reads the tag at the start of a page. Without a name it was none.
func readTag(page string) (tag, string) {
	start := tagName.FindString(page)
	if start == "" {
		return tag{}, page[1:]
	}
	t := tag{name: strings.ToLower(start[1:]), attrs: map[string]string{}}
	page = page[len(start):]
	for {
		found := attribute.FindStringSubmatch(page)
		if found == nil {
			break
		}
		page = page[len(found[0]):]
		if name := strings.ToLower(found[1]); t.attrs[name] == "" {
			t.attrs[name] = html.UnescapeString(found[2] + found[3] + found[4])
		}
	}
	_, page, _ = strings.Cut(page, ">")
	return t, page
}

func (t tag) has(attribute string) bool {
	_, ok := t.attrs[attribute]
	return ok
}

// kind is the type of an input.
func (t tag) kind() string {
	if kind := strings.ToLower(t.attrs["type"]); kind != "" {
		return kind
	}
	return "text"
}

// form is a form of a page.
type form struct {
	method string
	action string
	inputs []tag
}

func forms(page string) []form {
	var all []form
	inside := false
	for _, t := range tags(page) {
		switch t.name {
		case "form":
			inside = true
			all = append(all, form{method: strings.ToUpper(t.attrs["method"]), action: t.attrs["action"]})
		case "/form":
			inside = false
		case "input", "button", "textarea":
			if !inside {
				continue
			}
			if t.name == "button" && t.attrs["type"] == "" {
				t.attrs["type"] = "submit"
			}
			f := &all[len(all)-1]
			f.inputs = append(f.inputs, t)
		}
	}
	return all
}

// input finds an input by its name.
func (f form) input(name string) (tag, bool) {
	for _, t := range f.inputs {
		if t.attrs["name"] == name {
			return t, true
		}
	}
	return tag{}, false
}

// password is the input for one.
func (f form) password() (tag, bool) {
	for _, t := range f.inputs {
		if t.kind() == "password" {
			return t, true
		}
	}
	return tag{}, false
}

// username is the input called so, else the first to type in.
func (f form) username() (tag, bool) {
	if t, ok := f.input("username"); ok {
		return t, true
	}
	for _, t := range f.inputs {
		if kind := t.kind(); kind == "text" || kind == "email" {
			return t, true
		}
	}
	return tag{}, false
}

// remember is the checkbox that asks for a long session.
func (f form) remember() (tag, bool) {
	for _, t := range f.inputs {
		if t.kind() == "checkbox" && strings.Contains(strings.ToLower(t.attrs["name"]), "remember") {
			return t, true
		}
	}
	return tag{}, false
}

// values are what a browser sends when the first button is pressed and nothing
// was typed.
func (f form) values() url.Values {
	all := url.Values{}
	pressed := false
	for _, t := range f.inputs {
		name := t.attrs["name"]
		switch t.kind() {
		case "checkbox", "radio":
			if !t.has("checked") {
				continue
			}
			if !t.has("value") {
				t.attrs["value"] = "on"
			}
		case "submit":
			if pressed {
				continue
			}
			pressed = true
		case "reset", "button", "image", "file":
			continue
		}
		if name == "" || t.has("disabled") {
			continue
		}
		value := t.attrs["value"]
		if t.name == "textarea" {
			value = html.UnescapeString(t.text)
		}
		all.Add(name, value)
	}
	return all
}

var spaces = regexp.MustCompile(`\s+`)

// visible is the text of a page, by which two can be told apart.
func visible(page string) string {
	var out strings.Builder
	for _, t := range tags(page) {
		if t.name != "script" && t.name != "style" {
			out.WriteString(html.UnescapeString(t.text) + " ")
		}
	}
	return strings.TrimSpace(spaces.ReplaceAllString(out.String(), " "))
}

// Where a page leads without anybody doing anything.
var (
	refresh  = regexp.MustCompile(`(?i)url\s*=\s*['"]?([^'"]+)`)
	location = regexp.MustCompile(`location(?:\.href)?\s*(?:=|\.replace\(|\.assign\()\s*(?:"([^"]+)"|'([^']+)')`)
	escaped  = strings.NewReplacer(`\/`, `/`, `\u0026`, `&`, `\x26`, `&`, `\u003d`, `=`, `\u003D`, `=`, `\x3d`, `=`, `\x3D`, `=`, `\u003F`, `?`, `\u003f`, `?`)
)

// leads is where a page sends the browser by itself: by a refresh or a script
// (CAS 3.0.3 appendix B).
func leads(page string) string {
	for _, t := range tags(page) {
		switch {
		case t.name == "meta" && strings.EqualFold(t.attrs["http-equiv"], "refresh"):
			if found := refresh.FindStringSubmatch(t.attrs["content"]); found != nil {
				return found[1]
			}
		case t.name == "script":
			if found := location.FindStringSubmatch(t.text); found != nil {
				return escaped.Replace(found[1] + found[2])
			}
		}
	}
	return ""
}

// links are the targets of the links of a page.
func links(page string) []string {
	var all []string
	for _, t := range tags(page) {
		if t.name == "a" && t.attrs["href"] != "" {
			all = append(all, t.attrs["href"])
		}
	}
	return all
}
