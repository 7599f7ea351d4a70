package apereo

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// object is one of Apereo's, with its class under "@class". What was looked at
// is taken out, so that what is left has no equal.
type object map[string]any

// definition is one service file.
type definition struct {
	object
	file string
}

func read(file string) (definition, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return definition{}, err
	}
	d := definition{file: file}
	if err := json.Unmarshal(text, &d.object); err != nil {
		return definition{}, errors.New("is not JSON with one service in it")
	}
	if !strings.HasPrefix(d.class(), "org.apereo.cas.") && !strings.HasPrefix(d.class(), "org.jasig.cas.") {
		return definition{}, errors.New("is no service of Apereo CAS: its @class is of something else")
	}
	return d, nil
}

func (d definition) name() string {
	if name, _ := d.object["name"].(string); name != "" {
		return name
	}
	return d.file
}

func (d definition) order() float64 {
	order, _ := d.object["evaluationOrder"].(float64)
	return order
}

// class is the last word of the name of a class.
func (o object) class() string { c, _ := o["@class"].(string); return c }

func (o object) kind() string { return o.class()[strings.LastIndex(o.class(), ".")+1:] }

// The takers return a value and remove it.

func (o object) text(key string) string {
	defer delete(o, key)
	switch v := o[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// flag is a value of true or false, with its default.
func (o object) flag(key string, standard bool) bool {
	defer delete(o, key)
	if v, ok := o[key].(bool); ok {
		return v
	}
	return standard
}

func (o object) object(key string) object {
	defer delete(o, key)
	v, _ := o[key].(map[string]any)
	return v
}

func (o object) texts(key string) []string {
	defer delete(o, key)
	return texts(o[key])
}

// texts are the values of a list, which may carry its Java class:
// ["java.util.HashSet", ["a", "b"]].
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		if len(v) == 2 {
			if class, ok := v[0].(string); ok && strings.HasPrefix(class, "java.util.") {
				return texts(v[1])
			}
		}
		var out []string
		for _, each := range v {
			if text, ok := each.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}

// keys are those of a map, without its Java class.
func (o object) keys() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(o)), func(key string) bool { return key == "@class" })
}

// rest notes what nobody has taken and that says something.
func (o object) rest(place string, n *notes) {
	for _, key := range o.keys() {
		if !empty(o[key]) {
			n.add("%s%s: no equal, left out", place, key)
		}
	}
}

// empty tells whether a value is one that Apereo writes where nothing was
// configured.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case float64:
		return v == 0
	case []any:
		return len(v) == 0 || len(texts(v)) == 0 && len(v) == 2
	case map[string]any:
		for _, key := range object(v).keys() {
			if !empty(v[key]) {
				return false
			}
		}
		return true
	}
	return false
}
