package directorytest

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

func birth(t *testing.T, h Harness) {
	for _, p := range h.People {
		a := h.find(t, p.Login)
		if a.Birth.String() != p.Birth || a.BirthName != p.BirthName {
			t.Errorf("%s was born %q on %q; want %q on %q", p.Login, a.BirthName, a.Birth, p.BirthName, p.Birth)
		}
	}
}

// search returns the logins that a search finds, in order, and that it gives
// what Get gives.
func (h Harness) search(t *testing.T, q directory.Query) []string {
	t.Helper()
	searcher, ok := h.Directory.(directory.Searcher)
	if !ok {
		t.Skip("this directory cannot be searched")
	}
	var found []account.Account
	if err := searcher.Search(t.Context(), q, func(a account.Account) bool {
		found = append(found, a)
		return true
	}); err != nil {
		t.Errorf("Search(%+v): %v", q, err)
	}
	var logins []string
	for _, a := range found {
		logins = append(logins, a.Login)
	}
	slices.Sort(logins)
	if len(found) > 0 {
		if diff := cmp.Diff(h.get(t, found[0].ID), found[0]); diff != "" {
			t.Errorf("Search is not Get: %s", diff)
		}
	}
	return logins
}

func (h Harness) logins(which func(Person) bool) []string {
	var out []string
	for _, p := range h.People {
		if which(p) {
			out = append(out, p.Login)
		}
	}
	slices.Sort(out)
	return out
}

func searchAll(t *testing.T, h Harness) {
	everybody := h.logins(func(Person) bool { return true })
	if diff := cmp.Diff(everybody, h.search(t, directory.Query{})); diff != "" {
		t.Error(diff)
	}
	for enough := range min(3, len(everybody)) {
		told := 0
		if err := h.Directory.(directory.Searcher).Search(t.Context(), directory.Query{}, func(account.Account) bool {
			told++
			return told <= enough
		}); err != nil || told != enough+1 {
			t.Errorf("Search told of %d after it was told that %d are enough, %v", told-enough, enough, err)
		}
	}
}

// plain is a name as somebody types it who has no accents at hand.
func plain(name string) string {
	name = strings.NewReplacer("Œ", "OE", "œ", "oe", "’", "'").Replace(name)
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(name))
}

// finds checks that each text finds somebody.
func (h Harness) finds(t *testing.T, login string, texts []string) {
	t.Helper()
	slices.Sort(texts)
	for _, text := range slices.Compact(texts) {
		if found := h.search(t, directory.Query{Text: text}); text != "" && !slices.Contains(found, login) {
			t.Errorf("Search(%q) does not find %s among %q", text, login, found)
		}
	}
}

func searchText(t *testing.T, h Harness) {
	for _, p := range h.People {
		a := h.find(t, p.Login)
		texts := []string{p.Login, a.FamilyName, strings.ToLower(plain(a.FamilyName)), a.FamilyName + " " + a.GivenName}
		// Of plain letters there is little to type otherwise.
		if !strings.ContainsFunc(a.FamilyName+a.GivenName, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) }) {
			h.finds(t, p.Login, texts)
			continue
		}
		h.finds(t, p.Login, append(texts,
			" "+strings.ToUpper(p.Login)+" ",
			strings.NewReplacer("'", "", " ", "", "-", "").Replace(plain(a.FamilyName)), strings.ReplaceAll(a.FamilyName, "'", "’"),
			a.Name, plain(a.GivenName+"  "+a.FamilyName), norm.NFD.String(a.Name),
			plain(string([]rune(a.FamilyName)[:min(4, len([]rune(a.FamilyName)))])),
			a.BirthName,
		))
	}
	p := h.who(t, "active", active)
	for _, text := range []string{
		"*", "nobody at all", "zzqzz", "zz*", p.Login + ")(|(uid=*", "*)(objectClass=*", `\2a`, "(", ")", `\`,
		p.Login + "\x00", "\x00", "\xff\xfe", strings.Repeat("a", 100_000), "(&)", "-",
	} {
		if found := h.search(t, directory.Query{Text: text}); len(found) != 0 {
			t.Errorf("Search(%.40q) finds %q", text, found)
		}
	}
}

func searchWhere(t *testing.T, h Harness) {
	values := map[string]map[string][]string{} // attribute → value → logins
	for _, p := range h.People {
		for name, list := range h.find(t, p.Login).Attributes {
			if values[name] == nil {
				values[name] = map[string][]string{}
			}
			for _, v := range list {
				values[name][v] = append(values[name][v], p.Login)
			}
		}
	}
	sorted := func(logins []string) []string { return slices.Compact(slices.Sorted(slices.Values(logins))) }
	tried := 0
	for name, of := range values {
		if len(of) < 2 || len(of) > 20 {
			continue
		}
		tried++
		var some, union []string
		for value, logins := range of {
			// One spelling stands for several where the server folds them.
			if len(some) < 2 && !strings.ContainsFunc(value, func(r rune) bool { return r > 0x7f }) {
				some, union = append(some, value), append(union, logins...)
				if found := h.search(t, directory.Query{Where: map[string][]string{name: {value}}}); !slices.Equal(found, sorted(logins)) {
					t.Errorf("Search where %s is %q finds %q; want %q", name, value, found, sorted(logins))
				}
			}
		}
		if found := h.search(t, directory.Query{Where: map[string][]string{name: some}}); !slices.Equal(found, sorted(union)) {
			t.Errorf("Search where %s is one of %q finds %q; want %q", name, some, found, sorted(union))
		}
		who := union[0]
		if found := h.search(t, directory.Query{Text: who, Where: map[string][]string{name: some}}); !slices.Contains(found, who) {
			t.Errorf("Search for %s where %s is one of %q finds %q", who, name, some, found)
		}
		for _, wrong := range [][]string{{"*"}, {}, {some[0] + "*"}, {"x)(|(uid=*"}, {""}} {
			if found := h.search(t, directory.Query{Where: map[string][]string{name: wrong}}); len(found) != 0 {
				t.Errorf("Search where %s is %q finds %q", name, wrong, found)
			}
		}
	}
	if tried == 0 {
		t.Skip("no attribute is released here that divides people")
	}
	err := h.Directory.(directory.Searcher).Search(t.Context(), directory.Query{Where: map[string][]string{"x=*)(y": {"z"}}}, func(account.Account) bool { return true })
	if err == nil {
		t.Error("Search accepts a condition on what is no attribute")
	}
}
