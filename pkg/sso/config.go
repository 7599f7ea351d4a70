package sso

import (
	"encoding/json"
	"fmt"

	"github.com/loge-idp/loge/pkg/plugin"
)

// Grace is a relying party's policy for accounts in grace.
type Grace string

// The policies; the zero value denies.
const (
	GraceAllow Grace = "allow"
	GraceDeny  Grace = "deny"
)

// UnmarshalJSON refuses any other word.
func (g *Grace) UnmarshalJSON(b []byte) error {
	var word string
	if err := json.Unmarshal(b, &word); err != nil || word != string(GraceAllow) && word != string(GraceDeny) {
		return fmt.Errorf("grace must be %q or %q", GraceAllow, GraceDeny)
	}
	*g = Grace(word)
	return nil
}

// UnmarshalJSON takes a name alone, or an object.
func (a *Attribute) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &a.Name)
	}
	type plain Attribute // without this method
	return plugin.Strict(b, (*plain)(a))
}
