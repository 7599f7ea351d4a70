package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/loge-idp/loge/pkg/plugin"
)

// source is a configuration file: its text as JSON, and where each key stands,
// so that a fault found much later still names its line.
type source struct {
	name  string
	json  []byte
	lines map[string]int // by path of keys: "protocols.oidc.clients[0].id"
}

// read turns the YAML file into JSON, with references to the environment and
// to files replaced by what they name.
func read(name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w", name, reason(err))
	}
	s := &source{name: name, lines: map[string]int{}}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, s.malformed(err)
	}
	if len(tree.Docs) != 1 || !isMapping(tree.Docs[0].Body) {
		return nil, fmt.Errorf("%s:1: must be one YAML document with keys and values", name)
	}
	s.note("", tree.Docs[0].Body)
	var values map[string]any
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&values); err != nil {
		return nil, s.malformed(err)
	}
	resolved, err := s.resolve("", values)
	if err != nil {
		return nil, err
	}
	if s.json, err = json.Marshal(resolved); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// reason is what is wrong with a file, without its name twice.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// malformed is the parser's complaint on one line.
func (s *source) malformed(err error) error {
	line := 1
	message := err.Error()
	var parsed yaml.Error
	if errors.As(err, &parsed) {
		message = parsed.GetMessage()
		if t := parsed.GetToken(); t != nil {
			line = t.Position.Line
		}
	}
	message, _, _ = strings.Cut(message, "\n")
	return fmt.Errorf("%s:%d: %s", s.name, line, message)
}

func isMapping(node ast.Node) bool {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// note remembers the lines of all keys below a node.
func (s *source) note(path string, node ast.Node) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			s.note(path, v)
		}
	case *ast.MappingValueNode:
		key := n.Key.GetToken()
		place := below(path, key.Value)
		s.lines[place] = key.Position.Line
		s.note(place, n.Value)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			place := fmt.Sprintf("%s[%d]", path, i)
			s.lines[place] = v.GetToken().Position.Line
			s.note(place, v)
		}
	case *ast.AnchorNode:
		s.note(path, n.Value)
	case *ast.TagNode:
		s.note(path, n.Value)
	}
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// reference is the whole value of a key whose value is elsewhere.
var reference = regexp.MustCompile(`^\$\{(env|file):([^}]+)\}$`)

var wholeNumber = regexp.MustCompile(`^(0|[1-9]\d{0,15})$`)

// secretKey matches the last word of the keys whose values may not stand in
// the file itself.
var secretKey = regexp.MustCompile(`(?i)(password|passphrase|secret|token)s?$`)

// resolve replaces references, and refuses secrets that are not references.
func (s *source) resolve(path string, value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		for key, each := range v {
			resolved, err := s.resolve(below(path, key), each)
			if err != nil {
				return nil, err
			}
			v[key] = resolved
		}
	case []any:
		for i, each := range v {
			resolved, err := s.resolve(fmt.Sprintf("%s[%d]", path, i), each)
			if err != nil {
				return nil, err
			}
			v[i] = resolved
		}
	case string:
		isSecret := secretKey.MatchString(strings.TrimRight(path, "[]0123456789"))
		found := reference.FindStringSubmatch(v)
		if found == nil {
			if isSecret && v != "" {
				return nil, s.at(path, errors.New("a secret does not belong in this file; write ${env:NAME} or ${file:path}"))
			}
			return v, nil
		}
		text, err := s.look(found[1], found[2])
		if err == nil && isSecret {
			err = checkSecret(text)
		}
		if err != nil {
			return nil, s.at(path, err)
		}
		if !isSecret && wholeNumber.MatchString(text) {
			return json.Number(text), nil // as if it stood in the file: a port
		}
		return text, nil
	}
	return value, nil
}

func (s *source) look(kind, name string) (string, error) {
	if kind == "env" {
		text, ok := os.LookupEnv(name)
		if !ok || text == "" {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return text, nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(s.name), name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("the file %s cannot be read: %w", name, reason(err))
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// examples are secrets that everybody knows, from documentation and habit
// (R-AUTH-24).
var examples = []string{"changeme", "change-me", "changeit", "secret", "password", "motdepasse", "example", "admin", "test",
	"demo-client-secret", "todo", "xxx", "123456", "12345678"}

func checkSecret(text string) error {
	switch {
	case text == "":
		return errors.New("the secret is empty")
	case slices.Contains(examples, strings.ToLower(text)):
		return errors.New("this is an example, not a secret; generate one, for instance by: openssl rand -base64 24")
	}
	return nil
}

// leading is the key that an error text begins with, by convention:
// "site.timezone: no time zone…".
var leading = regexp.MustCompile(`^([A-Za-z][\w-]*(?:\[\d+\])*(?:\.[A-Za-z][\w-]*(?:\[\d+\])*)*): (.+)$`)

// at says where in the file a fault is: "loge.yaml:12: directory.preset: …".
// The path is that of a *plugin.Error, or else the key that the text begins
// with. For a key that is not there, the line is that of the section it is
// missing from. The nil source is a configuration made by a program.
func (s *source) at(section string, err error) error {
	if section != "" {
		err = plugin.At(section, err)
	}
	place, message := "", err
	var known *plugin.Error
	if errors.As(err, &known) {
		place, message = known.Path, known.Err
	}
	text := oneLine(message.Error())
	if found := leading.FindStringSubmatch(text); found != nil && s.holds(below(place, found[1])) {
		place, text = below(place, found[1]), found[2]
	}
	if place != "" {
		text = place + ": " + text
	}
	if s == nil {
		return &fault{text, err}
	}
	return &fault{fmt.Sprintf("%s:%d: %s", s.name, s.line(place), text), err}
}

func (s *source) holds(place string) bool {
	if s == nil {
		return true
	}
	_, ok := s.lines[place]
	return ok
}

// remark is what a plugin adds to the place of an item: its name.
var remark = regexp.MustCompile(` \([^)]*\)`)

// line is that of the nearest key at or above a path.
func (s *source) line(place string) int {
	place = remark.ReplaceAllString(place, "")
	for place != "" {
		if n, ok := s.lines[place]; ok {
			return n
		}
		place = place[:max(0, strings.LastIndexAny(place, ".["))]
	}
	return 1
}

// fault is an error with its whole text made, which can still be asked for its
// cause.
type fault struct {
	text  string
	cause error
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.cause }

func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
}
