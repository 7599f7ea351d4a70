package password_test

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// R40: the rule books by name.
func TestPresets(t *testing.T) {
	for _, c := range []struct {
		preset password.Preset
		chosen string
		want   []password.Reason
	}{
		{"cnil-1", "x7#Qv!m2Lz@9", nil},                                               // the CNIL's example: 12 of all four kinds
		{"cnil-1", "kqzvhtwmxpbad", []password.Reason{password.Weak}},                 // 62 bits
		{"cnil-1", "trois petits chats bleus", nil},                                   // 143 bits
		{"cnil-1", "x7#Qv!m2Lz@", []password.Reason{password.TooShort}},               //
		{"cnil-2", "x7Qv#m2L", nil},                                                   // the CNIL's example: 8 of three kinds
		{"cnil-2", "kqzvhtwm", []password.Reason{password.Weak}},                      // 38 bits
		{"cnil-2", "azertyui", []password.Reason{password.Common, password.Sequence}}, // and what is known stays known
		{"anssi-admin", "x7#Qv!m2Lz@9Kpu", []password.Reason{password.TooShort}},
		{"anssi-admin", "x7#Qv!m2Lz@9Kpuw", nil},
		{"legacy-ad", "trois petits chats", []password.Reason{password.Classes}},
		{"legacy-ad", "Trois petits chats bleus", nil},
	} {
		got := password.Policy{Preset: c.preset}.Check(secret.New(c.chosen), password.Context{})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s: %s", c.preset, c.chosen, diff)
		}
	}
	if p := (password.Policy{Preset: "anssi-admin", MinLength: 20}); p.Minimum() != 20 {
		t.Errorf("minimum %d", p.Minimum())
	}
}

// R40: 15 characters for the privileged, whatever the others need.
func TestPrivileged(t *testing.T) {
	p := password.Policy{Privileged: &account.Condition{Attribute: "memberOf", In: []string{"admins"}}}
	admin := password.ContextOf(account.Account{Attributes: map[string][]string{"memberOf": {"admins"}}})
	chosen := secret.New("x7#Qv!m2Lz@9Kp")
	if got := p.Check(chosen, admin); !slices.Equal(got, []password.Reason{password.TooShort}) || p.MinimumFor(admin) != 15 {
		t.Errorf("%v, minimum %d", got, p.MinimumFor(admin))
	}
	other := password.ContextOf(account.Account{})
	if got := p.Check(chosen, other); got != nil || p.MinimumFor(other) != 12 {
		t.Errorf("others: %v, minimum %d", got, p.MinimumFor(other))
	}
}

// leaked writes a list as it is published.
func leaked(t *testing.T, end string, passwords ...string) password.Breached {
	t.Helper()
	var lines []string
	for i, each := range passwords {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum([]byte(each)), i*i))
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "leaked.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, end)), 0o600); err != nil {
		t.Fatal(err)
	}
	return password.Breached(path)
}

// R40: every password of the file is found, wherever it stands, and no other.
func TestBreached(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000} {
		for _, end := range []string{"\n", "\r\n"} {
			var passwords []string
			for i := range n {
				passwords = append(passwords, fmt.Sprintf("girafe %d tambour olive sarbacane", i*7919))
			}
			p := password.Policy{Breached: leaked(t, end, passwords...)}
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, each := range passwords {
				if got := p.Check(secret.New(each), password.Context{}); !slices.Equal(got, []password.Reason{password.Leaked}) {
					t.Fatalf("%d passwords, %q: %v", n, each, got)
				}
				if got := p.Check(secret.New(each+" zinc"), password.Context{}); got != nil {
					t.Fatalf("%d passwords, not in it: %v", n, got)
				}
			}
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	text := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(text, []byte("azerty\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, p := range map[string]password.Policy{
		"preset":     {Preset: "cnil-9"},
		"privileged": {Privileged: &account.Condition{In: []string{"a"}}},
		"breached":   {Breached: password.Breached(text)},
	} {
		var wrong *plugin.Error
		if err := p.Validate(); !errors.As(err, &wrong) || wrong.Path != key {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := (password.Policy{Breached: "/nowhere"}).Validate(); err == nil {
		t.Error("a file that is not there")
	}
}
