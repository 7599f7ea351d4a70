package standard_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/providers/standard"
)

// The names are in people's configurations: none may change.
func TestNames(t *testing.T) {
	p := standard.Plugins()
	got := map[string][]string{
		"directory": slices.Sorted(maps.Keys(p.Directories)),
		"store":     slices.Sorted(maps.Keys(p.Stores)),
		"mail":      slices.Sorted(maps.Keys(p.Mail)),
		"sms":       slices.Sorted(maps.Keys(p.SMS)),
		"protocols": slices.Sorted(maps.Keys(p.Protocols)),
		"methods":   slices.Sorted(maps.Keys(p.Methods)),
	}
	want := map[string][]string{
		"directory": {"ldap", "several"},
		"store":     {"memory", "redis"},
		"mail":      {"smtp"},
		"sms":       {"exec", "http", "ovh", "twilio"},
		"protocols": {"cas", "oidc"},
		"methods":   {"activationcode", "birthdate", "emaillink", "helpdesk", "question", "smscode"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEachSetIsItsOwn(t *testing.T) {
	mine := standard.Plugins()
	delete(mine.Stores, "redis")
	delete(mine.Directories, "ldap")
	if p := standard.Plugins(); p.Stores["redis"] == nil || p.Directories["ldap"] == nil {
		t.Error("a plugin taken away from one set is gone from another")
	}
}
