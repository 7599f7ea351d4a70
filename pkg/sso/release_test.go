package sso_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
)

func party(t *testing.T, text string) sso.RelyingParty {
	t.Helper()
	var p sso.RelyingParty
	if err := plugin.Strict([]byte(text), &p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := p.Validate(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

var bob = account.Account{ID: "b-1", Login: "Bob", Mail: "bob@univ.example", Status: account.Active, Attributes: map[string][]string{
	"schacDateOfBirth": {"20050314"}, "dates": {"14/03/2005", "unknown", "2005-03-15"},
	"memberOf": {"cn=Staff,ou=g", "cn=it,ou=g", "cn=secret,ou=g"}, "uid": {"bob", "robert"}, "number": {"0042"},
	"newline": {"a\nb"}, "hidden": {"a\u200bb"}, "broken": {"a\xff"}, "blank": {""}}}

// R53: rename, map, format, join, a fixed value.
func TestAttributes(t *testing.T) {
	for name, c := range map[string]struct {
		attribute string
		want      []sso.Told
	}{
		"a name alone": {`"memberOf"`, []sso.Told{{Name: "memberOf", Values: bob.Attributes["memberOf"]}}},
		"as":           {`{"name": "mail", "as": "email"}`, []sso.Told{{Name: "email", Values: []string{"bob@univ.example"}, Single: true}}},
		"value":        {`{"as": "org", "value": "univ"}`, []sso.Told{{Name: "org", Values: []string{"univ"}, Single: true}}},
		"map leaves out": {`{"name": "memberOf", "as": "roles", "map": {"CN=staff,ou=g": "agent", "cn=it,ou=g": "admin"}}`,
			[]sso.Told{{Name: "roles", Values: []string{"agent", "admin"}}}},
		"map keeps": {`{"name": "memberOf", "map": {"cn=it,ou=g": "admin"}, "unmapped": "keep"}`,
			[]sso.Told{{Name: "memberOf", Values: []string{"cn=Staff,ou=g", "admin", "cn=secret,ou=g"}}}},
		"map has nothing": {`{"name": "memberOf", "map": {"cn=other": "x"}}`, nil},
		"map of nothing":  {`{"name": "memberOf", "map": {}}`, nil},
		"format":          {`{"name": "schacDateOfBirth", "format": "date:02/01/2006"}`, []sso.Told{{Name: "schacDateOfBirth", Values: []string{"14/03/2005"}}}},
		"format, no date": {`{"name": "dates", "format": "date:20060102"}`, []sso.Told{{Name: "dates", Values: []string{"20050314", "20050315"}}}},
		"join":            {`{"name": "memberOf", "join": ";"}`, []sso.Told{{Name: "memberOf", Values: []string{"cn=Staff,ou=g;cn=it,ou=g;cn=secret,ou=g"}, Single: true}}},
		"all": {`{"name": "dates", "as": "d", "map": {"14/03/2005": "2005-03-20"}, "unmapped": "keep", "format": "date:02/01/06", "join": "|"}`,
			[]sso.Told{{Name: "d", Values: []string{"20/03/05|15/03/05"}, Single: true}}},
		"join of nothing": {`{"name": "absent", "join": ";"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := party(t, `{"name": "P", "attributes": [`+c.attribute+`]}`)
			if diff := cmp.Diff(c.want, p.Release(bob)); diff != "" {
				t.Error(diff)
			}
			// As JSON it is the same.
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p, party(t, string(text))); diff != "" {
				t.Errorf("%s: %s", text, diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"cn=Staff,ou=g", "cn=it,ou=g", "cn=secret,ou=g"}, bob.Attributes["memberOf"]); diff != "" {
		t.Error("the snapshot was changed:", diff)
	}
}

// R53: one name, or none.
func TestUsername(t *testing.T) {
	keys := secret.RandomKeyring()
	for text, want := range map[string]string{
		`{"name": "P"}`:                                            "Bob", // R2b: as the directory writes it
		`{"name": "P", "user": "mail"}`:                            "bob@univ.example",
		`{"name": "P", "user": {"name": "number"}}`:                "0042",
		`{"name": "P", "user": {"lower": true}}`:                   "bob",
		`{"name": "P", "user": {"name": "login", "lower": true}}`:  "bob",
		`{"name": "P", "user": {"name": "opaque", "sector": "s"}}`: sso.Opaque(keys, "s", "b-1"),
		`{"name": "P", "user": "uid"}`:                             "", // two values
		`{"name": "P", "user": "absent"}`:                          "",
		`{"name": "P", "user": "blank"}`:                           "",
		// R-CAS-11
		`{"name": "P", "user": "newline"}`: "",
		`{"name": "P", "user": "hidden"}`:  "",
		`{"name": "P", "user": "broken"}`:  "",
	} {
		p := party(t, text)
		got, ok := p.Username(bob, keys)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", text, got, ok, want)
		}
		why := account.ReasonNone
		if want == "" {
			why = account.ReasonApplication
		}
		if got := p.Admit(bob, time.Now()); got != why {
			t.Errorf("%s: admitted as %q, want %q", text, got, why)
		}
	}
	opaque := party(t, `{"name": "P", "user": {"name": "opaque", "sector": "s"}}`)
	if got, ok := opaque.Username(account.Account{Login: "bob", Status: account.Active}, keys); ok || got != "" {
		t.Errorf("an account without an ID is %q", got)
	}
}

// R53: an opaque identifier is the same for ever, each sector's own, and not
// to be guessed without the keys.
func TestOpaque(t *testing.T) {
	keys, err := secret.NewKeyring([]byte(strings.Repeat("k", secret.MinMaster)))
	if err != nil {
		t.Fatal(err)
	}
	const golden = "6JxriKz1ljwQLJs8xthfYnSFez98h6Gf"
	if got := sso.Opaque(keys, "moodle", "b-1"); got != golden {
		t.Errorf("%s: everybody has become somebody else", got)
	}
	seen := map[string]bool{golden: true}
	for _, other := range []string{sso.Opaque(keys, "nextcloud", "b-1"), sso.Opaque(keys, "moodle", "b-2"), sso.Opaque(keys, "moodleb", "-1"),
		sso.Opaque(secret.RandomKeyring(), "moodle", "b-1")} {
		if seen[other] {
			t.Error("two are one:", other)
		}
		seen[other] = true
	}
}

// R57, R10: who may enter is one decision, made of all.
func TestAdmitByAccess(t *testing.T) {
	p := party(t, `{"name": "P", "grace": "allow", "access": {"all": [{"attribute": "number", "in": ["0042"]}, {"until": "2026-09-15"}]}}`)
	last, after := time.Date(2026, 9, 15, 21, 0, 0, 0, time.UTC), time.Date(2026, 9, 15, 22, 0, 0, 0, time.UTC)
	if why := p.Admit(bob, last); why != account.ReasonNone {
		t.Error(why)
	}
	if why := p.Admit(bob, after); why != account.ReasonApplication {
		t.Errorf("%q on the day after", why)
	}
	other := bob
	other.Attributes = nil
	if why := p.Admit(other, last); why != account.ReasonApplication {
		t.Errorf("%q without the attribute", why)
	}
	closed := bob
	closed.Status, closed.Reason = account.Disabled, account.ReasonClosed
	if why := p.Admit(closed, last); why != account.ReasonClosed {
		t.Errorf("%q of a closed account", why)
	}
}

// The stricter of what the application asks and what its configuration wants.
func TestFreshness(t *testing.T) {
	for _, c := range []struct {
		own         string
		asked, want time.Duration
	}{{"0s", 0, 0}, {"0s", time.Hour, time.Hour}, {"10m", 0, 10 * time.Minute}, {"10m", time.Hour, 10 * time.Minute}, {"10m", time.Minute, time.Minute}} {
		p := party(t, `{"name": "P", "maxAge": "`+c.own+`"}`)
		if got := p.Freshness(c.asked); got != c.want {
			t.Errorf("of %s, asked for %v: %v, want %v", c.own, c.asked, got, c.want)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, party(t, string(text))); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestPartyIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     "name: is missing",
		`{"name": "P", "access": {"in": ["x"]}}`: "access: in: belongs",
		`{"name": "P", "user": "opaque"}`:        "user.sector: is missing",
		`{"name": "P", "user": {"name": "uid", "sector": "s"}}`:                              "user.sector: is for opaque",
		`{"name": "P", "user": {"name": "opaque", "sector": "s", "lower": true}}`:            "user.lower: two opaque",
		`{"name": "P", "user": {"nam": "uid"}}`:                                              "user.nam: unknown key",
		`{"name": "P", "user": 1}`:                                                           "user: must be",
		`{"name": "P", "attributes": [""]}`:                                                  "attributes[0].name: is missing",
		`{"name": "P", "attributes": [{"as": "x"}]}`:                                         "attributes[0].name: is missing",
		`{"name": "P", "attributes": [{"value": "x"}]}`:                                      "attributes[0].as: is missing",
		`{"name": "P", "attributes": [{"name": "a", "as": "b", "value": "x"}]}`:              "attributes[0].value: is told of everybody",
		`{"name": "P", "attributes": [{"as": "b", "value": "x", "join": ";"}]}`:              "attributes[0].value: is told as it stands",
		`{"name": "P", "attributes": ["a", {"name": "b", "as": "a"}]}`:                       `attributes[1]: "a" is told already`,
		`{"name": "P", "attributes": [{"name": "a", "unmapped": "keep"}]}`:                   "attributes[0].unmapped: must be",
		`{"name": "P", "attributes": [{"name": "a", "map": {"a": "b"}, "unmapped": "yes"}]}`: "attributes[0].unmapped: must be",
		`{"name": "P", "attributes": [{"name": "a", "map": {"A": "b", "a": "c"}}]}`:          `attributes[0].map: has "a" twice`,
		`{"name": "P", "attributes": [{"name": "a", "format": "date:dd/MM/yyyy"}]}`:          "attributes[0].format: must be",
		`{"name": "P", "attributes": [{"name": "a", "format": "02/01/2006"}]}`:               "attributes[0].format: must be",
		`{"name": "P", "attributes": [{"nam": "a"}]}`:                                        "attributes[0].nam: unknown key",
	} {
		var p sso.RelyingParty
		err := plugin.Strict([]byte(text), &p)
		if err == nil {
			err = p.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
