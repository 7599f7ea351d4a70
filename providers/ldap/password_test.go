package ldap_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"

	goldap "github.com/go-ldap/ldap/v3"
)

// A person changes the password under the rules of the policy, and hears which
// of them refuses it.
func TestChangePassword(t *testing.T) {
	n := networks[0]
	for _, how := range []string{"rfc3062", "modify"} {
		t.Run(how, func(t *testing.T) {
			server := n.slapd(t, slapdtest.Options{Policy: policy})
			config := n.config()
			config.URLs, config.PasswordChange = []string{server.URL}, how
			d := open(t, config)
			a, err := d.Find(t.Context(), "elefevre")
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct {
				old, chosen string
				why         string
				err         error
			}{
				{"wrong", "Tout nouveau 1", "", directory.ErrBadPassword},
				{rightPassword, "short", "too_short", nil},
				{rightPassword, "Tout nouveau 1", "", nil},
				{rightPassword, "Tout nouveau 2", "", directory.ErrBadPassword},
				{"Tout nouveau 1", rightPassword, "in_history", nil},
			} {
				err := d.(directory.Changer).ChangePassword(t.Context(), a, secret.New(step.old), secret.New(step.chosen))
				var why *directory.Rejection
				switch errors.As(err, &why); {
				case step.why != "" && (why == nil || why.Why != step.why),
					step.err != nil && !errors.Is(err, step.err),
					step.why == "" && step.err == nil && err != nil:
					t.Errorf("from %q to %q: %v; want %v %s", step.old, step.chosen, err, step.err, step.why)
				}
			}
		})
	}
}

// A policy that wants a password to be a day old holds for the person's own
// change, and for one on behalf of the person by whoever is not above it.
func TestTooYoung(t *testing.T) {
	config := networks[0].config()
	config.URLs = []string{networks[0].slapd(t, slapdtest.Options{Policy: policy + "pwdMinAge: 86400\n"}).URL}
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	must(t, err)
	must(t, d.SetPassword(t.Context(), a.ID, secret.New("Tout nouveau 1")))
	for who, err := range map[string]error{
		"the person":    d.(directory.Changer).ChangePassword(t.Context(), a, secret.New("Tout nouveau 1"), secret.New("Tout nouveau 2")),
		"who may write": d.SetPassword(t.Context(), a.ID, secret.New("Tout nouveau 2")),
	} {
		if why := new(directory.Rejection); !errors.As(err, &why) || why.Why != "too_young" {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// Whoever must change the password is let in for that.
func TestMustChange(t *testing.T) {
	n := networks[0]
	const dn = "uid=elefevre,ou=people,"
	expired := strings.Replace(string(n.ldif), "dn: "+dn+n.suffix+"\n", "dn: "+dn+n.suffix+"\npwdChangedTime: 20200101000000Z\n", 1)
	server := slapdtest.Start(t, slapdtest.Options{
		Trees: []slapdtest.Tree{{Suffix: n.suffix, LDIF: []byte(expired)}}, Schema: fixtures.Schema, Policy: policy + "pwdMaxAge: 86400\npwdGraceAuthNLimit: 2\n",
	})
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	for left := 1; left >= 0; left-- {
		var must *directory.MustChange
		err := d.Authenticate(t.Context(), a, secret.New(rightPassword))
		if !errors.As(err, &must) || !must.Expired || must.GraceLogins != left {
			t.Errorf("%v, %+v; want an expired password and %d more logins", err, must, left)
		}
	}
	var must *directory.MustChange
	if err := d.Authenticate(t.Context(), a, secret.New(rightPassword)); !errors.As(err, &must) || !must.Expired || must.GraceLogins != 0 {
		t.Errorf("%v; want an expired password", err)
	}
	if err := d.Authenticate(t.Context(), a, secret.New("wrong")); !errors.Is(err, directory.ErrBadPassword) {
		t.Errorf("wrong and expired: %v", err)
	}

	// Reset by an administrator: only the change is left.
	root := dialURL(t, server.URL)
	t.Cleanup(func() { root.Close() })
	if err := root.Bind("cn=root,"+n.suffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := root.PasswordModify(goldap.NewPasswordModifyRequest(dn+n.suffix, "", "given by the desk")); err != nil {
		t.Fatal(err)
	}
	again, err := d.Get(t.Context(), a.ID)
	if a.MustChange || err != nil || !again.MustChange {
		t.Errorf("without its password, before the reset %v, after it %v, %v", a.MustChange, again.MustChange, err)
	}
	if a.PasswordSet.IsZero() || !again.PasswordSet.After(a.PasswordSet) {
		t.Errorf("set at %v, then at %v", a.PasswordSet, again.PasswordSet)
	}
	err = d.Authenticate(t.Context(), a, secret.New("given by the desk"))
	if !errors.As(err, &must) || must.Expired {
		t.Errorf("%v, %+v; want a change that was asked for", err, must)
	}
	if err := d.(directory.Changer).ChangePassword(t.Context(), a, secret.New("given by the desk"), secret.New("chosen by myself")); err != nil {
		t.Errorf("the change: %v", err)
	}
	if err := d.Authenticate(t.Context(), a, secret.New("chosen by myself")); err != nil {
		t.Errorf("after the change: %v", err)
	}
	if again, err := d.Get(t.Context(), a.ID); err != nil || again.MustChange {
		t.Errorf("after the change: %v, %v", again.MustChange, err)
	}
}

// What the entry says of it without a password, in each dialect.
func TestMustChangeByEntry_R16(t *testing.T) {
	for _, c := range []struct {
		preset, entry string
		want          bool
	}{
		{"inetorgperson", "", false},
		{"inetorgperson", "pwdReset: FALSE", false},
		{"inetorgperson", "pwdReset: TRUE", true},
		{"389ds", "passwordExpirationTime: 20380119031407Z", false},
		{"389ds", "passwordExpirationTime: 19700101000000Z", true},
		{"active-directory", "userAccountControl: 512\npwdLastSet: 134000000000000000\nmsDS-User-Account-Control-Computed: 0", false},
		{"active-directory", "userAccountControl: 512\npwdLastSet: 0", true},
		{"active-directory", "userAccountControl: 512\npwdLastSet: 134000000000000000\nmsDS-User-Account-Control-Computed: 8388608", true},
	} {
		a, err := open(t, one(t, c.preset, c.entry)).Find(t.Context(), "jo")
		if err != nil || a.MustChange != c.want {
			t.Errorf("%s %q: %v, %v", c.preset, c.entry, a.MustChange, err)
		}
	}
}

// After Unlock the failures of before do not count: one more is not enough to
// lock again.
func TestUnlockForgetsFailures(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{Policy: policy})
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	for range lockAfter {
		d.Authenticate(t.Context(), a, secret.New("a guess"))
	}
	if a, err = d.Get(t.Context(), a.ID); err != nil || a.Reason != account.ReasonTooManyTries {
		t.Fatalf("%s (%s), %v", a.Status, a.Reason, err)
	}
	if err := d.Unlock(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	d.Authenticate(t.Context(), a, secret.New("a typing error"))
	if a, err = d.Get(t.Context(), a.ID); err != nil || a.Status != account.Active {
		t.Errorf("after one error: %s (%s), %v", a.Status, a.Reason, err)
	}
}

// A directory that may only be read has its changes made by somebody else.
func TestDelegate(t *testing.T) {
	n := networks[0]
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirection was followed")
	}))
	t.Cleanup(elsewhere.Close)
	var asked []ldap.DelegateRequest
	reply := func(w http.ResponseWriter, r *http.Request) {
		var request ldap.DelegateRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.Header.Get("Authorization") != "Bearer a token" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		asked = append(asked, request)
		switch request.Password {
		case "in the history":
			w.Write([]byte(`{"rejected": "in_history"}`))
		case "of no known reason":
			w.Write([]byte(`{"rejected": "colour"}`))
		case "not JSON":
			w.Write([]byte(`<html>`))
		case "elsewhere":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case "fails":
			w.WriteHeader(http.StatusBadGateway)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(reply))
	t.Cleanup(server.Close)
	// A command that does the same with what it reads.
	seen := filepath.Join(t.TempDir(), "seen")
	script := filepath.Join(t.TempDir(), "delegate")
	if err := os.WriteFile(script, []byte(`#!/bin/sh
request=$(cat)
printf '%s\n' "$request" >> "$1"
case "$request" in
*"in the history"*) echo '{"rejected": "in_history"}' ;;
*"of no known reason"*) echo '{"rejected": "colour"}' ;;
*"not JSON"*) echo '<html>' ;;
*'"unlock"'*) echo 'unlocked' ;;
*"elsewhere"*|*"fails"*) echo "$request" >&2; exit 3 ;;
esac
`), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, delegate := range map[string]*ldap.Delegate{
		"webhook": {URL: server.URL, Token: secret.New("a token")},
		"command": {Command: []string{script, seen}},
	} {
		t.Run(name, func(t *testing.T) {
			config := n.config()
			config.Dial = n.embedded(t).Dial
			config.WriteDN, config.WritePassword = "", secret.New("")
			config.Delegate = delegate
			d := open(t, config)
			a, err := d.Find(t.Context(), "elefevre")
			if err != nil {
				t.Fatal(err)
			}
			// People change nothing there by themselves, whatever the server would let them.
			if err := d.(directory.Changer).ChangePassword(t.Context(), a, secret.New("Valmont-elefevre-2026"), secret.New("a good one")); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("by themselves: %v", err)
			}
			for password, want := range map[string]error{
				"a good one":         nil,
				"in the history":     &directory.Rejection{Why: "in_history"},
				"of no known reason": &directory.Rejection{Why: "other"},
				"elsewhere":          directory.ErrUnavailable,
				"fails":              directory.ErrUnavailable,
			} {
				err := d.SetPassword(t.Context(), a.ID, secret.New(password))
				var why, wanted *directory.Rejection
				switch {
				case want == nil && err != nil, want != nil && !errors.Is(err, want) && !errors.Is(want, directory.ErrRejected),
					errors.As(want, &wanted) && (!errors.As(err, &why) || why.Why != wanted.Why):
					t.Errorf("%s: %v; want %v", password, err, want)
				}
				if err != nil && strings.Contains(err.Error(), password) {
					t.Errorf("the error holds the password: %v", err)
				}
			}
			// Whoever asked looks whether the password has changed.
			if err := d.SetPassword(t.Context(), a.ID, secret.New("not JSON")); !errors.Is(err, directory.ErrUnavailable) {
				t.Errorf("not JSON: %v", err)
			}
			if err := errors.Join(d.Activate(t.Context(), a.ID), d.Unlock(t.Context(), a.ID)); err != nil {
				t.Error(err)
			}
			if err := d.SetPassword(t.Context(), "nobody", secret.New("a good one")); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("for nobody: %v", err)
			}
		})
	}
	lines, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(lines)), "\n") {
		var request ldap.DelegateRequest
		if err := json.Unmarshal([]byte(line), &request); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, request)
	}
	for _, request := range asked {
		if request.Login != "elefevre" || request.ID == "" || request.DN != "uid=elefevre,ou=people,"+n.suffix || (request.Action == "setPassword") != (request.Password != "") {
			t.Errorf("asked for %+v", request)
		}
	}
	if len(asked) != 16 {
		t.Errorf("asked %d times; want 16", len(asked))
	}

	for want, wrong := range map[string]ldap.Delegate{
		"either a command or a url": {},
		"must be https":             {URL: "http://passwords.example/"},
	} {
		config := n.config()
		config.Dial, config.Delegate = n.embedded(t).Dial, &wrong
		if _, err := config.Open(t.Context(), directory.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
