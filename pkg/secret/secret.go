// Package secret holds values that must never be printed, logged or marshalled.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
)

// String is a password, code, key or token. It prints, logs and marshals as
// "[secret]"; Reveal is the only way to its value, so every use can be found
// by searching for that one word. The zero value is an empty secret. Compare
// with Equal, not with ==.
type String struct {
	// Package fmt calls no method of an unexported field, but prints what it
	// holds. A pointer it does not follow.
	value *string
}

const redacted = "[secret]"

// New wraps a value.
func New(value string) String { return String{&value} }

// Reveal returns the value. The caller must not log it or put it in an error.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no value.
func (s String) Empty() bool { return s.Reveal() == "" }

// Equal compares two secrets in a time that depends on neither value nor length.
func (s String) Equal(other String) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String implements fmt.Stringer without the value.
func (String) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (String) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never writes the value.
func (String) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText never writes the value.
func (String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalJSON reads a JSON string, so that plugins can declare secrets in
// their Config. The server replaces references to the environment or to files
// before decoding.
func (s *String) UnmarshalJSON(b []byte) error {
	var value string
	if err := json.Unmarshal(b, &value); err != nil {
		return err
	}
	*s = New(value)
	return nil
}
