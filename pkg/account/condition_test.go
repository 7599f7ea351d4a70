package account_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
)

var claire = account.Account{ID: "7", Login: "claire", Mail: "claire@univ.example", Status: account.Active,
	Ends:       time.Date(2027, 8, 31, 21, 59, 59, 0, time.UTC),
	Attributes: map[string][]string{"eduPersonAffiliation": {"student", "Member"}, "supannEtuEtape": {"L3INFO"}, "empty": {}, "mail": {"the directory's own"}}}

func condition(t *testing.T, text string) account.Condition {
	t.Helper()
	var c account.Condition
	if err := plugin.Strict([]byte(text), &c); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := c.Validate(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// paris is an instant as its clocks show it.
func paris(text string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, text, account.Place)
	if err != nil {
		panic(err)
	}
	return at
}

// R57: by attribute, by date, by both.
func TestHolds(t *testing.T) {
	noon := paris("2026-09-15 12:00:00")
	for _, c := range []struct {
		condition string
		at        time.Time
		want      bool
	}{
		{`{}`, noon, true},
		// an attribute
		{`{"attribute": "eduPersonAffiliation", "in": ["student"]}`, noon, true},
		{`{"attribute": "eduPersonAffiliation", "in": ["employee", "MEMBER"]}`, noon, true},
		{`{"attribute": "eduPersonAffiliation", "in": ["stud"]}`, noon, false},
		{`{"attribute": "eduPersonAffiliation", "in": []}`, noon, false},
		{`{"attribute": "eduPersonAffiliation"}`, noon, true},
		{`{"attribute": "empty"}`, noon, false},
		{`{"attribute": "absent"}`, noon, false},
		{`{"attribute": "absent", "in": [""]}`, noon, false},
		{`{"attribute": "mail", "in": ["claire@univ.example"]}`, noon, true},
		{`{"attribute": "mail", "in": ["the directory's own"]}`, noon, false},
		{`{"attribute": "accountState", "in": ["active"]}`, noon, true},
		// the status
		{`{"status": ["grace", "active"]}`, noon, true},
		{`{"status": ["grace"]}`, noon, false},
		{`{"status": []}`, noon, false},
		// days, from their first instant to their last, where the server is
		{`{"from": "2026-09-15"}`, paris("2026-09-14 23:59:59"), false},
		{`{"from": "2026-09-15"}`, paris("2026-09-15 00:00:00"), true},
		{`{"until": "2026-09-15"}`, paris("2026-09-15 23:59:59"), true},
		{`{"until": "2026-09-15"}`, paris("2026-09-16 00:00:00"), false},
		{`{"from": "2026-09-15", "until": "2026-09-15"}`, noon, true},
		{`{"from": "2026-09-15"}`, time.Date(2026, 9, 14, 22, 0, 0, 0, time.UTC), true}, // summer time
		// the night with 25 hours
		{`{"until": "2026-10-25"}`, paris("2026-10-25 23:30:00"), true},
		{`{"until": "2026-10-25"}`, paris("2026-10-26 00:00:00"), false},
		// AND, OR, NOT
		{`{"all": [{"attribute": "supannEtuEtape"}, {"status": ["active"]}]}`, noon, true},
		{`{"all": [{"attribute": "supannEtuEtape"}, {"status": ["grace"]}]}`, noon, false},
		{`{"any": [{"attribute": "absent"}, {"status": ["active"]}]}`, noon, true},
		{`{"any": [{"attribute": "absent"}, {"status": ["grace"]}]}`, noon, false},
		{`{"not": {"attribute": "absent"}}`, noon, true},
		{`{"not": {"all": [{"attribute": "supannEtuEtape"}]}}`, noon, false},
		// the first day of term: new students before the others
		{`{"any": [{"from": "2026-09-07"}, {"all": [{"from": "2026-09-01"}, {"attribute": "supannEtuEtape", "in": ["L1INFO", "L3INFO"]}]}]}`, paris("2026-09-02 08:00:00"), true},
		{`{"any": [{"from": "2026-09-07"}, {"all": [{"from": "2026-09-01"}, {"attribute": "supannEtuEtape", "in": ["L1INFO"]}]}]}`, paris("2026-09-02 08:00:00"), false},
	} {
		if got := condition(t, c.condition).Holds(claire, c.at); got != c.want {
			t.Errorf("%s at %v: %v", c.condition, c.at, got)
		}
	}
}

func TestConditionIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{"attribute": "a", "status": ["active"]}`:              "has one of",
		`{"all": [{}], "any": [{}]}`:                            "has one of",
		`{"not": {}, "from": "2026-01-01"}`:                     "has one of",
		`{"in": ["a"]}`:                                         "in: belongs to an attribute",
		`{"all": []}`:                                           "at least one",
		`{"any": []}`:                                           "at least one",
		`{"from": "2026-02-02", "until": "2026-02-01"}`:         "until is before from",
		`{"status": ["ACTIVE"]}`:                                `no state is called "ACTIVE"`,
		`{"all": [{"not": {"any": [{"status": ["sleeps"]}]}}]}`: `no state is called "sleeps"`,
		`{"from": "soon"}`:                                      "must be a date",
		`{"from": 2026}`:                                        "must be a date",
		`{"attribut": "a"}`:                                     "unknown key",
		`{"all": [{"attribut": "a"}]}`:                          "all[0].attribut: unknown key",
	} {
		var c account.Condition
		err := plugin.Strict([]byte(text), &c)
		if err == nil {
			err = c.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// What a condition looks at must be read from the directory, and no more.
func TestConditionNamesItsAttributes(t *testing.T) {
	c := condition(t, `{"any": [{"attribute": "a"}, {"all": [{"attribute": "mail"}, {"not": {"attribute": "b", "in": ["x"]}}]}]}`)
	if diff := cmp.Diff([]string{"a", "b"}, c.Attributes()); diff != "" {
		t.Error(diff)
	}
}

// A configuration is handed on as JSON: nothing of a condition is lost.
func TestConditionSurvivesJSON(t *testing.T) {
	want := condition(t, `{"any": [{"from": "2026-09-01", "until": "2027-07-31"}, {"not": {"attribute": "a", "in": ["x"]}}, {"status": ["grace"]},
		{"attribute": "a", "in": []}, {"status": []}]}`)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, condition(t, string(text))); diff != "" {
		t.Error(diff)
	}
}

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "yes: everybody",
		`{"all": [{"attribute": "absent"}, {"attribute": "supannEtuEtape", "in": ["L3INFO", "M1"]}]}`: "no: all of (no: absent has a value; yes: supannEtuEtape is one of L3INFO, M1)",
		`{"any": [{"from": "2026-09-16"}, {"until": "2026-09-15"}]}`:                                  "yes: any of (no: today is from 2026-09-16; yes: today is until 2026-09-15)",
		`{"not": {"status": ["active"]}}`:                                                             "no: not (yes: the account is one of [active])",
	} {
		if got := condition(t, text).Explain(claire, paris("2026-09-15 12:00:00")); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// R2b: the names of a configuration, and what the directory has under them.
func TestValues(t *testing.T) {
	a := account.Account{Login: "l", Name: "n", GivenName: "g", FamilyName: "f", Mail: "m", Language: "fr", Status: account.Grace,
		Ends: time.Date(2027, 1, 30, 23, 30, 0, 0, time.UTC), Attributes: map[string][]string{"cn": {"a", "b"}, "login": {"another"}}}
	for name, want := range map[string][]string{
		"login": {"l"}, "displayName": {"n"}, "givenName": {"g"}, "sn": {"f"}, "mail": {"m"}, "preferredLanguage": {"fr"},
		"accountState": {"grace"}, "accountEnd": {"2027-01-31"}, "cn": {"a", "b"}, "none": nil,
	} {
		if diff := cmp.Diff(want, a.Values(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if own := name != "cn" && name != "none"; account.IsOwn(name) != own {
			t.Errorf("%s: own %v", name, !own)
		}
	}
	for _, name := range []string{"login", "mail", "accountEnd"} {
		if got := (account.Account{}).Values(name); got != nil {
			t.Errorf("%s of nobody is %q", name, got)
		}
	}
}
