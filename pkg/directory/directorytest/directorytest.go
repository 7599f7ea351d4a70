// Package directorytest is the conformance kit of package directory: what
// every directory plugin must do, run against one that holds known people.
package directorytest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"

	"github.com/google/go-cmp/cmp"
)

// Harness is a directory under test, freshly filled.
type Harness struct {
	Directory directory.Directory
	// People are all whom it holds: University, School, or a plugin's own. At
	// least one is Active with a password.
	People []Person
	// Ambiguous are logins that several of them answer to.
	Ambiguous []string
	// Rename changes somebody's stored login behind the plugin's back; nil
	// when the directory cannot.
	Rename func(t *testing.T, login, to string)
	// Editable is an attribute that the configuration lets Editor.Edit change;
	// empty when there is none.
	Editable string
	// Lock makes the directory's own policy lock somebody after too many
	// failures; nil when it has none.
	Lock func(t *testing.T, login string)
}

// Run runs the kit. Open makes a harness of its own for each part; it cleans
// up by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	parts := []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"R1 R2b every name finds the account and says its stored name", everyName},
		{"R2 R-AUTH-04 what nobody is called is not found", nobody},
		{"R3 Get reads the same account", get},
		{"R3 a new name keeps the identifier", renamed},
		{"R10 R11 status, reason and end", statuses},
		{"R20 rescue addresses in order", rescue},
		{"R4 birth date and name at birth", birth},
		{"Search gives everybody once and stops when told", searchAll},
		{"R5 R-AUTH-04 Search by text", searchText},
		{"Search by attributes", searchWhere},
		{"R7 Replace changes one contact and leaves the others", replace},
		{"R7 Edit changes the attributes it may", edit},
		{"R-AUTH-01 R-AUTH-02 R-AUTH-21 passwords", passwords},
		{"SetPassword is the password from then on", setPassword},
		{"SetPassword sends every byte", exactPassword},
		{"ChangePassword is for who knows the old one", changePassword},
		{"Activate opens a pending account and leaves others", activate},
		{"R14 Unlock lifts the directory's lock only", unlock},
		{"an ended context ends the call", endedContext},
		{"callers do not get each other's answers", concurrent},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) { p.test(t, open(t)) })
	}
}

func (h Harness) find(t *testing.T, login string) account.Account {
	t.Helper()
	a, err := h.Directory.Find(t.Context(), login)
	if err != nil {
		t.Fatalf("Find(%q): %v", login, err)
	}
	return a
}

// who picks the first person for whom is holds.
func (h Harness) who(t *testing.T, what string, is func(Person) bool) Person {
	t.Helper()
	i := slices.IndexFunc(h.People, is)
	if i < 0 {
		t.Skip("nobody here is " + what)
	}
	return h.People[i]
}

func active(p Person) bool { return p.Status == account.Active && p.Password != "" }

func everyName(t *testing.T, h Harness) {
	ids := map[account.ID]string{}
	for _, p := range h.People {
		a := h.find(t, p.Login)
		if a.Login != p.Login || a.ID == "" || !slices.Contains(a.Logins, p.Login) {
			t.Errorf("Find(%q): Login %q, ID %q, Logins %q", p.Login, a.Login, a.ID, a.Logins)
		}
		if other, taken := ids[a.ID]; taken {
			t.Errorf("%s and %s have one identifier", other, p.Login)
		}
		ids[a.ID] = p.Login
		for _, name := range p.Also {
			if diff := cmp.Diff(a, h.find(t, name)); diff != "" {
				t.Errorf("Find(%q) is not Find(%q): %s", name, p.Login, diff)
			}
		}
	}
}

func nobody(t *testing.T, h Harness) {
	known := h.who(t, "active", active).Login
	logins := append([]string{
		"", " ", "nobody.at.all", "*", known[:1] + "*", known + "*", known + ")(|(uid=*", "*)(objectClass=*", `\2a`, "(", ")", "&", `\`,
		known + "\x00", "\x00", known[:1] + "\n" + known[1:], known[:1] + "\u2028" + known[1:], "\xff\xfe", known + "\xc0", strings.Repeat("a", 100_000),
		known[:1] + "\u200b" + known[1:], // zero-width space
		strings.Map(func(r rune) rune { // Cyrillic and Turkish look-alikes
			if cut := strings.IndexRune("aeopcxi", r); cut >= 0 {
				return []rune("аеорсхı")[cut]
			}
			return r
		}, known),
	}, h.Ambiguous...)
	for _, login := range logins {
		a, err := h.Directory.Find(t.Context(), login)
		if !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("Find(%.40q) = %q, %v; want ErrNotFound", login, a.Login, err)
		}
		if errors.Is(err, directory.ErrAmbiguous) != slices.Contains(h.Ambiguous, login) {
			t.Errorf("Find(%.40q): %v; whether it is ambiguous must be known", login, err)
		}
	}
}

func get(t *testing.T, h Harness) {
	for _, p := range h.People {
		found := h.find(t, p.Login)
		again, err := h.Directory.Get(t.Context(), found.ID)
		if err != nil {
			t.Errorf("Get of %s: %v", p.Login, err)
		}
		if diff := cmp.Diff(found, again); diff != "" {
			t.Errorf("Get of %s is not Find: %s", p.Login, diff)
		}
	}
	for _, id := range []account.ID{"", "*", "nobody", "nobody@nowhere.example", ")(objectClass=*", "\x00", "\xff"} {
		if _, err := h.Directory.Get(t.Context(), id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("Get(%q): %v; want ErrNotFound", id, err)
		}
	}
}

func renamed(t *testing.T, h Harness) {
	if h.Rename == nil {
		t.Skip("this directory has no way to rename")
	}
	p := h.who(t, "active", active)
	before := h.find(t, p.Login)
	h.Rename(t, p.Login, "renamed.person")
	for what, read := range map[string]func() (account.Account, error){
		"Get":  func() (account.Account, error) { return h.Directory.Get(t.Context(), before.ID) },
		"Find": func() (account.Account, error) { return h.Directory.Find(t.Context(), "Renamed.Person") },
	} {
		a, err := read()
		if err != nil || a.ID != before.ID || a.Login != "renamed.person" {
			t.Errorf("%s after the rename: ID %q, Login %q, %v; want ID %q", what, a.ID, a.Login, err, before.ID)
		}
	}
	if _, err := h.Directory.Find(t.Context(), p.Login); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("Find of the old name: %v; want ErrNotFound", err)
	}
}

func statuses(t *testing.T, h Harness) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range h.People {
		a := h.find(t, p.Login)
		ends := ""
		if !a.Ends.IsZero() {
			ends = a.Ends.In(paris).Format(time.DateOnly)
		}
		if a.Status != p.Status || a.Reason != p.Reason || ends != p.Ends {
			t.Errorf("%s is %s (%s) until %q; want %s (%s) until %q", p.Login, a.Status, a.Reason, ends, p.Status, p.Reason, p.Ends)
		}
	}
}

func rescue(t *testing.T, h Harness) {
	for _, p := range h.People {
		a := h.find(t, p.Login)
		for kind, want := range map[account.ContactKind][]string{account.Email: p.Emails, account.Phone: p.Phones} {
			var have []string
			for _, c := range a.Reach(kind) {
				have = append(have, c.Value)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s of %s: %s", kind, p.Login, diff)
			}
		}
	}
}

func passwords(t *testing.T, h Harness) {
	for _, p := range h.People {
		a := h.find(t, p.Login)
		if p.Password == "" {
			for _, try := range []string{"", " ", "x", p.Login} {
				h.refused(t, a, try)
			}
			continue
		}
		// A right password is right whatever the status: refusing is for
		// those who read the status.
		if err := h.Directory.Authenticate(t.Context(), a, secret.New(p.Password)); err != nil {
			t.Errorf("right password of %s: %v", p.Login, err)
		}
	}
	p := h.who(t, "active", active)
	a := h.find(t, p.Login)
	for _, try := range []string{
		"", "\x00", "wrong", p.Password + " ", " " + p.Password, strings.ToUpper(p.Password), p.Password + "\x00",
		p.Password + "\x00x", p.Password[:len(p.Password)-1], strings.Repeat("x", 5000), "*",
	} {
		h.refused(t, a, try)
	}
}

func (h Harness) refused(t *testing.T, a account.Account, password string) {
	t.Helper()
	if err := h.Directory.Authenticate(t.Context(), a, secret.New(password)); !errors.Is(err, directory.ErrBadPassword) {
		t.Errorf("%s with %.20q: %v; want ErrBadPassword", a.Login, password, err)
	}
}

func setPassword(t *testing.T, h Harness) {
	p := h.who(t, "active", active)
	a := h.find(t, p.Login)
	const chosen = "Un tout nouveau mot de passe 4711"
	if err := h.Directory.SetPassword(t.Context(), a.ID, secret.New(chosen)); err != nil {
		t.Fatal(err)
	}
	if err := h.Directory.Authenticate(t.Context(), a, secret.New(chosen)); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	h.refused(t, a, p.Password)
	for _, bad := range []string{"", "a\x00b-long-enough-otherwise", strings.Repeat("x", 5000)} {
		var why *directory.Rejection
		err := h.Directory.SetPassword(t.Context(), a.ID, secret.New(bad))
		if !errors.Is(err, directory.ErrRejected) || !errors.As(err, &why) {
			t.Errorf("SetPassword(%.10q): %v; want a Rejection", bad, err)
		}
	}
	if err := h.Directory.Authenticate(t.Context(), a, secret.New(chosen)); err != nil {
		t.Errorf("after refused ones: %v", err)
	}
	if err := h.Directory.SetPassword(t.Context(), "nobody@nowhere.example", secret.New(chosen)); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for nobody: %v; want ErrNotFound", err)
	}
}

func exactPassword(t *testing.T, h Harness) {
	a := h.find(t, h.who(t, "active", active).Login)
	for i, chosen := range []string{
		" spaces around, and e\u0301 decomposed ", "é composed \u00e9 12345", strings.Repeat("0123456789abcdef", 4), strings.Repeat("µ-passe! ", 100),
	} {
		if err := h.Directory.SetPassword(t.Context(), a.ID, secret.New(chosen)); err != nil {
			t.Fatalf("password %d: %v", i, err)
		}
		if err := h.Directory.Authenticate(t.Context(), a, secret.New(chosen)); err != nil {
			t.Errorf("password %d: %v", i, err)
		}
		h.refused(t, a, strings.TrimSpace(chosen)+"x")
		h.refused(t, a, chosen[:len(chosen)-1])
	}
}

func activate(t *testing.T, h Harness) {
	for _, p := range h.People {
		a := h.find(t, p.Login)
		for range 2 { // twice: the second time there is nothing to do
			if err := h.Directory.Activate(t.Context(), a.ID); err != nil {
				t.Errorf("Activate of %s: %v", p.Login, err)
			}
		}
		after, err := h.Directory.Get(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if p.Status == account.Pending {
			if after.Status != account.Active || after.Reason != "" {
				t.Errorf("%s is %s (%s) after Activate", p.Login, after.Status, after.Reason)
			}
			if diff := cmp.Diff(a.Contacts, after.Contacts); diff != "" {
				t.Errorf("Activate changed the addresses of %s: %s", p.Login, diff)
			}
		} else if diff := cmp.Diff(a, after); diff != "" {
			t.Errorf("Activate changed %s, who was %s: %s", p.Login, p.Status, diff)
		}
	}
	if err := h.Directory.Activate(t.Context(), "nobody@nowhere.example"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for nobody: %v; want ErrNotFound", err)
	}
}

func unlock(t *testing.T, h Harness) {
	for _, p := range h.People {
		a := h.find(t, p.Login)
		if err := h.Directory.Unlock(t.Context(), a.ID); err != nil {
			t.Errorf("Unlock of %s: %v", p.Login, err)
		}
		if diff := cmp.Diff(a, h.find(t, p.Login)); diff != "" {
			t.Errorf("Unlock changed %s, who was %s (%s): %s", p.Login, p.Status, p.Reason, diff)
		}
	}
	if h.Lock == nil {
		return
	}
	p := h.who(t, "active", active)
	h.Lock(t, p.Login)
	a := h.find(t, p.Login)
	if a.Status != account.Locked || a.Reason != account.ReasonTooManyTries {
		t.Fatalf("%s is %s (%s) after too many failures", p.Login, a.Status, a.Reason)
	}
	// Whether the right password still binds is for the server to say; it is
	// the status that refuses (R16).
	if err := h.Directory.Unlock(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if a = h.find(t, p.Login); a.Status != account.Active {
		t.Errorf("%s is %s (%s) after Unlock", p.Login, a.Status, a.Reason)
	}
	h.refused(t, a, "still wrong")
	if err := h.Directory.Authenticate(t.Context(), a, secret.New(p.Password)); err != nil {
		t.Errorf("right password after Unlock and one failure: %v", err)
	}
}

func endedContext(t *testing.T, h Harness) {
	p := h.who(t, "active", active)
	a := h.find(t, p.Login)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, find := h.Directory.Find(ended, p.Login)
	_, get := h.Directory.Get(ended, a.ID)
	for what, err := range map[string]error{
		"Find":         find,
		"Get":          get,
		"Authenticate": h.Directory.Authenticate(ended, a, secret.New(p.Password)),
		"SetPassword":  h.Directory.SetPassword(ended, a.ID, secret.New("never set, we hope 99")),
		"Activate":     h.Directory.Activate(ended, a.ID),
		"Unlock":       h.Directory.Unlock(ended, a.ID),
	} {
		if !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v; want ErrUnavailable", what, err)
		}
	}
	if err := h.Directory.Authenticate(t.Context(), a, secret.New(p.Password)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func concurrent(t *testing.T, h Harness) {
	var all sync.WaitGroup
	for round := range 4 {
		for _, p := range h.People {
			all.Go(func() {
				a, err := h.Directory.Find(t.Context(), p.Login)
				if err != nil || a.Login != p.Login {
					t.Errorf("Find(%q) = %q, %v", p.Login, a.Login, err)
					return
				}
				if p.Password == "" {
					return
				}
				if err := h.Directory.Authenticate(t.Context(), a, secret.New(p.Password)); err != nil {
					t.Errorf("right password of %s: %v", p.Login, err)
				}
				if round == 0 { // more, and a policy would lock the account
					h.refused(t, a, "wrong")
				}
			})
		}
	}
	all.Wait()
}
