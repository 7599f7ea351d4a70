// Package plugin turns a section of the configuration into an opened plugin,
// by one strict decoder for every port.
package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Config is the public configuration of a plugin that becomes a T. Its fields
// carry json tags; its zero value plus the section is all there is. Open may
// reach the network and must give up when ctx ends. E is what the host lends.
type Config[T, E any] interface {
	Open(ctx context.Context, env E) (T, error)
}

// Set is the plugins of one port by the name a configuration calls them. It is
// a value: add one by assignment. Each call of a constructor makes a new,
// zero Config (a pointer to a struct).
type Set[T, E any] map[string]func() Config[T, E]

// Section is one raw object of the configuration. Its key "type" names the
// plugin; the rest is the plugin's own.
type Section = json.RawMessage

// Error says where in the configuration something is wrong, as the path of
// keys from the section, and what. It never quotes a value.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// At puts a place in front of an error.
func At(place string, err error) error {
	if err == nil {
		return nil
	}
	var inner *Error
	if errors.As(err, &inner) {
		if place != "" && inner.Path != "" && inner.Path[0] != '[' {
			place += "."
		}
		return &Error{Path: place + inner.Path, Err: inner.Err}
	}
	return &Error{Path: place, Err: err}
}

// Open decodes a section strictly and opens it. An unknown type or key is an
// error that names the known ones.
func (s Set[T, E]) Open(ctx context.Context, section Section, env E) (T, error) {
	var none T
	config, err := s.Decode(section)
	if err != nil {
		return none, err
	}
	return config.Open(ctx, env)
}

// Decode is Open without opening: the section checked and read.
func (s Set[T, E]) Decode(section Section) (Config[T, E], error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(section, &keys); err != nil {
		return nil, &Error{Err: errors.New("must be an object with a key \"type\"")}
	}
	var name string
	if raw, ok := keys["type"]; !ok {
		return nil, &Error{Path: "type", Err: fmt.Errorf("is missing; known: %s", s.names())}
	} else if err := json.Unmarshal(raw, &name); err != nil {
		return nil, &Error{Path: "type", Err: fmt.Errorf("must be a text; known: %s", s.names())}
	}
	make, ok := s[name]
	if !ok {
		return nil, &Error{Path: "type", Err: fmt.Errorf("no plugin of this name; known: %s", s.names())}
	}
	delete(keys, "type")
	rest, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	config := make()
	if err := Strict(rest, config); err != nil {
		return nil, err
	}
	return config, nil
}

func (s Set[T, E]) names() string {
	return strings.Join(slices.Sorted(maps.Keys(s)), ", ")
}

// Strict decodes JSON into the struct that into points to. Unknown keys, keys
// in another case and wrong types are errors of type *Error that name the
// place, and for an unknown key the known ones.
func Strict(section []byte, into any) error {
	if !json.Valid(section) { // a decoder would leave alone what follows a first value
		return &Error{Err: errors.New("is not JSON")}
	}
	if err := known(section, reflect.TypeOf(into), ""); err != nil {
		var unknown *unknownKey
		if errors.As(err, &unknown) {
			unknown.elsewhere = places(reflect.TypeOf(into), unknown.key, "")
		}
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(section))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return inWords(err)
	}
	return nil
}

// inWords is an error of package json for the reader of a configuration.
func inWords(err error) error {
	var inner *Error
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &inner):
		return err
	case errors.As(err, &wrong):
		kind, _, _ := strings.Cut(wrong.Value, " ") // what follows is the value
		return &Error{Path: wrong.Field, Err: fmt.Errorf("must be %s, not %s", describe(wrong.Type), article(kind))}
	}
	return &Error{Err: err}
}

// unknownKey is a key that does not stand where it was written.
type unknownKey struct {
	key       string
	known     []string
	elsewhere []string // where there is one of the name
}

func (u *unknownKey) Error() string {
	text := "unknown key; known: " + strings.Join(u.known, ", ")
	if len(u.elsewhere) == 1 { // of several it cannot be told which was meant
		text += "; there is " + u.elsewhere[0]
	}
	return text
}

// places are where a type has a key: one that has moved is found by its name.
func places(t reflect.Type, key, path string) (found []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice {
		return places(t.Elem(), key, path+"[]")
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	fields := fieldsOf(t)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name == key {
			found = append(found, join(path, name))
		}
		if strings.Count(path, ".") < 3 { // a condition holds conditions
			found = append(found, places(fields[name], key, join(path, name))...)
		}
	}
	return found
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// known walks a section beside the type it is decoded into and refuses the
// first key that the type does not have.
func known(section []byte, t reflect.Type, path string) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t == reflect.TypeFor[json.RawMessage]() {
		return nil
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		// It reads itself; only here is it known where it stands.
		if err := json.Unmarshal(section, reflect.New(t).Interface()); err != nil {
			return At(path, inWords(err))
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		var keys map[string]json.RawMessage
		if json.Unmarshal(section, &keys) != nil {
			return nil // a wrong type: the decoder says so
		}
		fields := fieldsOf(t)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			field, ok := fields[key]
			if !ok {
				return &Error{Path: join(path, key), Err: &unknownKey{key: key, known: slices.Sorted(maps.Keys(fields))}}
			}
			if err := known(keys[key], field, join(path, key)); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		var items []json.RawMessage
		if t.Elem().Kind() == reflect.Uint8 || json.Unmarshal(section, &items) != nil {
			return nil
		}
		for i, item := range items {
			if err := known(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		var keys map[string]json.RawMessage
		if json.Unmarshal(section, &keys) != nil {
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if err := known(keys[key], t.Elem(), join(path, key)); err != nil {
				return err
			}
		}
	}
	return nil
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			maps.Copy(out, fieldsOf(f.Type))
		case f.IsExported() && name != "-" && name != "":
			out[name] = f.Type
		case f.IsExported() && name == "":
			out[f.Name] = f.Type
		}
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// article puts one before a JSON kind: "string", "number", "array", "object".
func article(kind string) string {
	if strings.ContainsAny(kind[:1], "aeiou") {
		return "an " + kind
	}
	return "a " + kind
}

func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a " + t.String()
}
