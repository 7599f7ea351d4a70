package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

type common struct {
	Label string `json:"label"`
}

type server struct {
	URL     string          `json:"url"`
	Timeout plugin.Duration `json:"timeout,omitempty"`
}

// section has every kind of field that a plugin may declare.
type section struct {
	common
	Name     string            `json:"name"`
	Size     int               `json:"size"`
	Small    int8              `json:"small"`
	Share    float64           `json:"share"`
	On       bool              `json:"on"`
	Password secret.String     `json:"password"`
	First    *server           `json:"first"`
	Servers  []server          `json:"servers"`
	Named    map[string]server `json:"named"`
	Words    map[string]string `json:"words"`
	Inner    json.RawMessage   `json:"inner"`
	Hidden   func()            `json:"-"`
	Untagged string
}

func TestStrictReads(t *testing.T) {
	var got section
	err := plugin.Strict([]byte(`{"label":"l","name":"n","size":-3,"share":0.5,"on":true,"password":"hunter2",
		"first":{"url":"u"},"servers":[{"url":"a","timeout":"90s"},{}],"named":{"any key":{"url":"b"}},
		"words":{"Any":"word"},"inner":{"any":{"thing":[1]}},"Untagged":"u"}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := section{common: common{"l"}, Name: "n", Size: -3, Share: 0.5, On: true, Password: secret.New("hunter2"),
		First: &server{URL: "u"}, Servers: []server{{"a", plugin.Duration(90 * time.Second)}, {}},
		Named: map[string]server{"any key": {URL: "b"}}, Words: map[string]string{"Any": "word"},
		Inner: json.RawMessage(`{"any":{"thing":[1]}}`), Untagged: "u"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(section{})); diff != "" {
		t.Error(diff)
	}
}

const allKeys = "Untagged, first, inner, label, name, named, on, password, servers, share, size, small, words"

func TestStrictRefuses(t *testing.T) {
	for name, c := range map[string]struct{ section, want string }{
		"unknown key":               {`{"nmae":"x"}`, "nmae: unknown key; known: " + allKeys},
		"in another case":           {`{"Name":"x"}`, "Name: unknown key; known: " + allKeys},
		"of a field that is hidden": {`{"Hidden":1}`, "Hidden: unknown key; known: " + allKeys},
		"of an embedded struct":     {`{"common":{}}`, "common: unknown key; known: " + allKeys},
		"below a pointer":           {`{"first":{"uri":"x"}}`, "first.uri: unknown key; known: timeout, url"},
		"in a list":                 {`{"servers":[{},{"uri":"x"}]}`, "servers[1].uri: unknown key; known: timeout, url"},
		"in a map":                  {`{"named":{"main":{"uri":"x"}}}`, "named.main.uri: unknown key; known: timeout, url"},
		"hidden by a double":        {`{"first":{"uri":"x"},"first":{}}`, `json: unknown field "uri"`},

		"number for a text":   {`{"name":1}`, "name: must be a text, not a number"},
		"text for a number":   {`{"size":"1"}`, "size: must be a whole number, not a string"},
		"fraction":            {`{"size":1.5}`, "size: must be a whole number, not a number"},
		"too large":           {`{"small":4711}`, "small: must be a whole number, not a number"},
		"text for a fraction": {`{"share":"1"}`, "share: must be a number, not a string"},
		"text for a switch":   {`{"on":"yes"}`, "on: must be true or false, not a string"},
		"object for a list":   {`{"servers":{}}`, "servers: must be a list, not an object"},
		"list for an object":  {`{"first":[]}`, "first: must be an object, not an array"},
		"text for a map":      {`{"words":"x"}`, "words: must be an object, not a string"},
		"at depth":            {`{"first":{"url":true}}`, "first.url: must be a text, not a bool"},

		// Types that read themselves are told where they stand.
		"duration without unit": {`{"servers":[{"timeout":"10"}]}`, `servers[0].timeout: a duration is written with its unit, like "10m" or "24h"`},
		"duration as a number":  {`{"named":{"a b":{"timeout":10}}}`, `named.a b.timeout: a duration is written with its unit, like "10m" or "24h"`},
		"negative duration":     {`{"first":{"timeout":"-1s"}}`, `first.timeout: a duration is written with its unit, like "10m" or "24h"`},
		"secret as a number":    {`{"password":4711}`, "password: must be a text, not a number"},

		"something after it": {`{"name":"x"}{"zzz":1}`, "is not JSON"},
		"half of it":         {`{"name":`, "is not JSON"},
		"nothing":            {``, "is not JSON"},
		"a list":             {`[]`, "must be an object, not an array"},
	} {
		t.Run(name, func(t *testing.T) {
			var into section
			err := plugin.Strict([]byte(c.section), &into)
			var place *plugin.Error
			if !errors.As(err, &place) {
				t.Fatalf("%T %v is no *plugin.Error", err, err)
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "4711") {
				t.Error("the error quotes the value")
			}
		})
	}
}

func TestDuration(t *testing.T) {
	if got := plugin.Duration(0).Or(time.Minute); got != time.Minute {
		t.Errorf("unset is %v", got)
	}
	if got := plugin.Duration(time.Hour).Or(time.Minute); got != time.Hour {
		t.Errorf("set is %v", got)
	}
}

func TestAt(t *testing.T) {
	cause := errors.New("is wrong")
	for _, c := range []struct {
		place string
		err   error
		want  string
	}{
		{"a", cause, "a: is wrong"},
		{"", cause, "is wrong"},
		{"a", plugin.At("b", cause), "a.b: is wrong"},
		{"a", plugin.At("[3]", cause), "a[3]: is wrong"},
		{"a", plugin.At("[3]", plugin.At("b", plugin.At("c", cause))), "a[3].b.c: is wrong"},
		{"a", plugin.At("", cause), "a: is wrong"},
		{"", plugin.At("b", cause), "b: is wrong"},
	} {
		got := plugin.At(c.place, c.err)
		if got.Error() != c.want || !errors.Is(got, cause) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if plugin.At("a", nil) != nil {
		t.Error("no error became one")
	}
}

type env struct{ greeting string }

type hello struct {
	To string `json:"to"`
}

var errNobody = errors.New("there is nobody to greet")

func (h *hello) Open(ctx context.Context, e env) (string, error) {
	if h.To == "" {
		return "", plugin.At("to", errNobody)
	}
	return e.greeting + " " + h.To, ctx.Err()
}

func greeters() plugin.Set[string, env] {
	return plugin.Set[string, env]{"hello": func() plugin.Config[string, env] { return &hello{} }}
}

func TestSet(t *testing.T) {
	set := greeters()
	set["other"] = set["hello"]
	for name, c := range map[string]struct{ section, want, err string }{
		"opened":          {section: `{"type":"hello","to":"world"}`, want: "bonjour world"},
		"its own error":   {section: `{"type":"hello"}`, err: "to: there is nobody to greet"},
		"unknown key":     {section: `{"type":"hello","two":"world"}`, err: "two: unknown key; known: to"},
		"wrong type":      {section: `{"type":"hello","to":1}`, err: "to: must be a text, not a number"},
		"no type":         {section: `{"to":"world"}`, err: "type: is missing; known: hello, other"},
		"null":            {section: `null`, err: "type: is missing; known: hello, other"},
		"unknown type":    {section: `{"type":"hullo"}`, err: "type: no plugin of this name; known: hello, other"},
		"type not a text": {section: `{"type":["hello"]}`, err: "type: must be a text; known: hello, other"},
		"not an object":   {section: `"hello"`, err: `must be an object with a key "type"`},
		"nothing":         {section: ``, err: `must be an object with a key "type"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := set.Open(t.Context(), plugin.Section(c.section), env{"bonjour"})
			if text := fmt.Sprint(err); got != c.want || c.err != "" && text != c.err || c.err == "" && err != nil {
				t.Errorf("got %q, %v; want %q, %s", got, err, c.want, c.err)
			}
			if name == "its own error" {
				return
			}
			if _, decoded := set.Decode(plugin.Section(c.section)); fmt.Sprint(decoded) != fmt.Sprint(err) {
				t.Errorf("Decode says %v, Open %v", decoded, err)
			}
		})
	}
}

func TestOpenedConfigsShareNothing(t *testing.T) {
	set := greeters()
	if _, err := set.Open(t.Context(), plugin.Section(`{"type":"hello","to":"a"}`), env{}); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Open(t.Context(), plugin.Section(`{"type":"hello"}`), env{}); !errors.Is(err, errNobody) {
		t.Errorf("the second has what the first was given: %v", err)
	}
}

func FuzzStrict(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `[]`, `{"name":"x","extra":1}`, `{"servers":[{"url":"a","x":1}]}`, `{"named":{"a":{"url":"b","timeout":"1s"}}}`,
		`{"first":{"x":1},"first":{}}`, `{"first":null}`, `{"NAME":1}`, `{"name":"a"} {"b":1}`, "{\"\u212aey\":1}", `{"inner":{"x":1}}`, `{"words":{"x":null}}`, `{"password":"\ud800"}`} {
		f.Add([]byte(s))
	}
	objects := map[string]map[string]bool{
		"section": {}, "server": {"url": true, "timeout": true},
	}
	for key := range strings.SplitSeq(allKeys, ", ") {
		objects["section"][key] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var into section
		if plugin.Strict(data, &into) != nil {
			return
		}
		// walk names the keys of every object, doubles included, which no
		// map would show.
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		var walk func(kind string)
		walk = func(kind string) {
			token, err := decoder.Token()
			if err != nil {
				t.Fatalf("what was taken is not JSON: %v", err)
			}
			switch token {
			case json.Delim('{'):
				for decoder.More() {
					key, err := decoder.Token()
					if err != nil {
						t.Fatal(err)
					}
					if known := objects[kind]; known != nil && !known[key.(string)] {
						t.Errorf("the unknown key %q of a %s was taken", key, kind)
					}
					next := map[string]string{"section first": "server", "section servers": "server", "section named": "servers"}[kind+" "+key.(string)]
					if kind == "servers" {
						next = "server"
					}
					walk(next)
				}
				_, _ = decoder.Token()
			case json.Delim('['):
				for decoder.More() {
					walk(kind)
				}
				_, _ = decoder.Token()
			}
		}
		walk("section")
		if decoder.More() {
			t.Error("something after the section was taken")
		}
	})
}
