package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
)

// fillText puts a message into a template. It is read once, from left to
// right, so that a text which looks like {to} stays that text.
func fillText(template string, m sms.Message) (string, error) {
	var out strings.Builder
	for {
		before, rest, open := strings.Cut(template, "{")
		out.WriteString(before)
		if !open {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case closed && name == "to":
			out.WriteString(m.To)
		case closed && name == "digits":
			out.WriteString(strings.TrimPrefix(m.To, "+"))
		case closed && name == "text":
			out.WriteString(m.Text)
		case closed && name == "id":
			out.WriteString(m.ID)
		default:
			return "", fmt.Errorf("a { opens one of {to}, {digits}, {text} and {id}")
		}
		template = after
	}
}

func fill(templates map[string]secret.String, m sms.Message) (url.Values, error) {
	out := url.Values{}
	for key, template := range templates {
		text, err := fillText(template.Reveal(), m)
		if err != nil {
			return nil, err
		}
		out.Set(key, text)
	}
	return out, nil
}

// fillJSON fills in every text of a JSON value; numbers stay as they are
// written. Of nothing it makes nothing.
func fillJSON(template json.RawMessage, m sms.Message) ([]byte, error) {
	if template == nil {
		return nil, nil
	}
	value, err := decode(template)
	if err != nil {
		return nil, err
	}
	if value, err = fillValue(value, m); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

func fillValue(value any, m sms.Message) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		return fillText(v, m)
	case []any:
		for i := range v {
			if v[i], err = fillValue(v[i], m); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = fillValue(v[key], m); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

func decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// lookUp finds the value at "a.0.b" as text.
func lookUp(text []byte, path string) (string, bool) {
	value, err := decode(text)
	if err != nil {
		return "", false
	}
	for step := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return "", false
			}
			value = v[i]
		default:
			return "", false
		}
	}
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
