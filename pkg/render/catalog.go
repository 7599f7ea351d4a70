package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// catalog is every message in every language. A message is plain text with
// named arguments, "Se connecter à {app}": it holds neither markup nor
// template code, so what is put in can only ever be text.
type catalog struct {
	tags    []string // BCP 47; the first is the default
	matcher language.Matcher
	locales map[string]locale // by tag
}

type locale map[string]message

// message is a text cut at its arguments: text, argument, text, … , text.
type message struct {
	parts []string
	from  string // the file it came from, for errors
}

// openCatalog reads locales/*.json from the layers, highest first. Files of
// one language are merged key by key, the highest layer winning. Every
// language must have every key, with the same arguments.
func openCatalog(layers overlay, preferred string) (*catalog, error) {
	c := &catalog{locales: map[string]locale{}}
	for _, layer := range slices.Backward(layers) {
		files, err := fs.Glob(layer, "locales/*.json")
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := c.merge(layer, file); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if preferred == "" {
		preferred = "fr"
	}
	if c.locales[preferred] == nil {
		return nil, fmt.Errorf("language %q: there is no locales/%s.json", preferred, preferred)
	}
	c.tags = []string{preferred}
	for _, tag := range slices.Sorted(maps.Keys(c.locales)) {
		if tag != preferred {
			c.tags = append(c.tags, tag)
		}
	}
	parsed := make([]language.Tag, len(c.tags))
	for i, tag := range c.tags {
		parsed[i] = language.Make(tag)
	}
	c.matcher = language.NewMatcher(parsed)
	return c, c.complete()
}

func (c *catalog) merge(layer fs.FS, file string) error {
	tag := strings.TrimSuffix(path.Base(file), ".json")
	if parsed, err := language.Parse(tag); err != nil || parsed.String() != tag {
		return errors.New("the name must be a language tag, like fr.json")
	}
	content, err := fs.ReadFile(layer, file)
	if err != nil {
		return err
	}
	var nested map[string]any
	if err := json.Unmarshal(content, &nested); err != nil {
		return err
	}
	if c.locales[tag] == nil {
		c.locales[tag] = locale{}
	}
	return flatten("", nested, func(key, text string) error {
		parts, err := split(text)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		c.locales[tag][key] = message{parts, file}
		return nil
	})
}

func flatten(prefix string, nested map[string]any, add func(key, text string) error) error {
	for _, key := range slices.Sorted(maps.Keys(nested)) {
		var err error
		switch value := nested[key].(type) {
		case string:
			err = add(prefix+key, value)
		case map[string]any:
			err = flatten(prefix+key+".", value, add)
		default:
			err = fmt.Errorf("%s: must be a text or an object of texts", prefix+key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// split cuts "a {b} c" into "a ", "b", " c".
func split(text string) ([]string, error) {
	var parts []string
	for {
		before, rest, open := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, errors.New("a } without its {")
		}
		parts = append(parts, before)
		if !open {
			return parts, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" || strings.ContainsAny(name, "{ ") {
			return nil, errors.New("a { that does not open the name of an argument")
		}
		parts, text = append(parts, name), after
	}
}

// complete compares every language with every other.
func (c *catalog) complete() error {
	var all []error
	for _, tag := range c.tags {
		for _, other := range c.tags {
			for _, key := range slices.Sorted(maps.Keys(c.locales[other])) {
				mine, ok := c.locales[tag][key]
				theirs := c.locales[other][key]
				switch {
				case !ok:
					all = append(all, fmt.Errorf("locales/%s.json: no message %q, which %s has", tag, key, theirs.from))
				case !slices.Equal(mine.arguments(), theirs.arguments()):
					all = append(all, fmt.Errorf("%s: message %q must have the arguments %v, as in %s", mine.from, key, theirs.arguments(), theirs.from))
				}
			}
		}
	}
	return errors.Join(all...)
}

// arguments are the names in a message, sorted, each once.
func (m message) arguments() []string {
	var names []string
	for i := 1; i < len(m.parts); i += 2 {
		names = append(names, m.parts[i])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Has reports whether there is a message of this key.
func (c *catalog) Has(key string) bool {
	_, ok := c.locales[c.tags[0]][key]
	return ok
}

// Text is a message in a language of Languages. Arguments are name, value,
// name, value…; what they hold stays text. A missing key or argument is an
// error.
func (c *catalog) Text(lang, key string, args ...any) (string, error) {
	m, ok := c.locales[lang][key]
	if !ok {
		return "", fmt.Errorf("no message %q in language %q", key, lang)
	}
	if len(m.parts) == 1 {
		return m.parts[0], nil
	}
	values := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		values[fmt.Sprint(args[i])] = fmt.Sprint(args[i+1])
	}
	var out strings.Builder
	for i, part := range m.parts {
		if i%2 == 1 {
			value, ok := values[part]
			if !ok {
				return "", fmt.Errorf("message %q: no argument %q", key, part)
			}
			part = value
		}
		out.WriteString(part)
	}
	return out.String(), nil
}

// Languages are the BCP 47 tags of all languages, the default first.
func (c *catalog) Languages() []string { return slices.Clone(c.tags) }
