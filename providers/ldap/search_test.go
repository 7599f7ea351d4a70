package ldap_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"

	goldap "github.com/go-ldap/ldap/v3"
)

// crowd is the university with many more people, all with a family name of
// their own.
func crowd(n int) []byte {
	var out bytes.Buffer
	out.Write(networks[0].ldif)
	for i := range n {
		fmt.Fprintf(&out, "\ndn: uid=c%[1]d,ou=people,%[2]s\nobjectClass: inetOrgPerson\nobjectClass: eduPerson\nobjectClass: supannPerson\n"+
			"uid: c%[1]d\nsn: Foule\ngivenName: N%[1]d\ncn: Foule N%[1]d\neduPersonUniqueId: c%[1]d@univ-valmont.example\n"+
			"eduPersonAffiliation: student\nsupannRessourceEtat: {COMPTE}A:SupannActif\n", i, fixtures.UniversitySuffix)
	}
	return out.Bytes()
}

// everybody scans a directory and says how many it gave, and the most memory
// that was in use meanwhile.
func everybody(t *testing.T, d directory.Directory, q directory.Query) (seen int, heap uint64) {
	t.Helper()
	ids := map[account.ID]struct{}{}
	err := d.(directory.Searcher).Search(t.Context(), q, func(a account.Account) bool {
		if seen++; seen <= 2000 {
			ids[a.ID] = struct{}{}
		}
		if seen%10_000 == 0 {
			heap = max(heap, inUse())
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != min(seen, 2000) {
		t.Errorf("%d different accounts among the first %d", len(ids), seen)
	}
	return seen, heap
}

// inUse is what is left of the heap after a collection.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// 50,000 people go through little memory, and logins go on meanwhile.
func TestSearchFlatMemory(t *testing.T) {
	const many = 50_000
	server := slapdtest.Start(t, slapdtest.Options{
		Trees: []slapdtest.Tree{{Suffix: fixtures.UniversitySuffix, LDIF: crowd(many)}}, Schema: fixtures.Schema, Index: fixtures.Index,
	})
	config := networks[0].config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	if err := login(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	before := inUse()
	seen, heap := everybody(t, d, directory.Query{})
	if seen != many+len(networks[0].people) {
		t.Errorf("%d people", seen)
	}
	// A page of 250 is well below a megabyte; all of them would be a hundred.
	if more := int64(heap) - int64(before); more > 8<<20 {
		t.Errorf("%d KiB more in use during the search", more>>10)
	} else {
		t.Logf("%d KiB more in use during the search", more>>10)
	}
}

// A search over more people than fit a page gives each of them, on a real
// server with its default limits but for the pages.
func TestSearchPages(t *testing.T) {
	const many = 1234
	ldif := crowd(many)
	embedded := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema), []string{fixtures.ReaderDN(fixtures.UniversitySuffix)}, nil)
	if err := embedded.Load(ldif); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { embedded.Close() })
	real := slapdtest.Start(t, slapdtest.Options{
		Trees: []slapdtest.Tree{{Suffix: fixtures.UniversitySuffix, LDIF: ldif}}, Schema: fixtures.Schema, Index: fixtures.Index,
	})
	for name, set := range map[string]func(*ldap.Config){
		"embedded": func(c *ldap.Config) { c.Dial = embedded.Dial },
		"slapd":    func(c *ldap.Config) { c.URLs = []string{real.URL} },
	} {
		t.Run(name, func(t *testing.T) {
			config := networks[0].config()
			set(&config)
			var ops counter
			config.Observe = ops.observe
			d := open(t, config)
			if seen, _ := everybody(t, d, directory.Query{}); seen != many+len(networks[0].people) {
				t.Errorf("%d people", seen)
			}
			if n := ops.take()["search"]; n != 6 { // of 250
				t.Errorf("in %d pages", n)
			}
			if seen, _ := everybody(t, d, directory.Query{Text: "foule", Where: map[string][]string{"eduPersonAffiliation": {"student"}}}); seen != many {
				t.Errorf("%d of the crowd", seen)
			}
		})
	}
}

// A server that ends a search early is an error that says what to do, not a
// list that lacks people.
func TestSearchLimit(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{
		Trees:  []slapdtest.Tree{{Suffix: fixtures.UniversitySuffix, LDIF: crowd(600)}},
		Schema: fixtures.Schema, Index: fixtures.Index, NoPages: true,
	})
	config := networks[0].config()
	config.URLs = []string{server.URL}
	err := open(t, config).(directory.Searcher).Search(t.Context(), directory.Query{}, func(account.Account) bool { return true })
	if err == nil || errors.Is(err, directory.ErrUnavailable) || !bytes.Contains([]byte(err.Error()), []byte("size.prtotal=unlimited")) {
		t.Errorf("%v; want what to change on the server", err)
	}
}

// Where nobody folded the names for the directory, they are found without
// their accents all the same.
func TestSearchAccents_R5(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	admin := n.admin(t, dialURL(t, server.URL))
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	for i, c := range []struct {
		name   string
		texts  []string
		others []string
	}{
		{"François Garçon", []string{"garcon", "GARÇON", "francois garcon", "Garçon François"}, []string{"garcin", "garcons"}},
		{"Inés Muñoz Peña", []string{"munoz", "muñoz pena", "munozpena"}, []string{"munos"}},
		{"Zoë L’Hermitte-Œuvrard", []string{"lhermitte", "l'hermitte", "oeuvrard", "hermitte oeuvrard", "œuvrard zoe"}, []string{"lermitte"}},
		{"Jiří Dvořák", []string{"Dvořák", "jiří dvořák"}, nil},
	} {
		login := fmt.Sprintf("accent%d", i)
		add := goldap.NewAddRequest("uid="+login+",ou=people,"+n.suffix, nil)
		add.Attribute("objectClass", []string{"inetOrgPerson", "eduPerson", "supannPerson"})
		for attribute, value := range map[string]string{"uid": login, "sn": c.name, "cn": c.name, "eduPersonUniqueId": login + "@example"} {
			add.Attribute(attribute, []string{value})
		}
		must(t, admin.Add(add))
		finds := func(text string) bool {
			found := false
			must(t, d.(directory.Searcher).Search(t.Context(), directory.Query{Text: text}, func(a account.Account) bool {
				found = found || a.Login == login
				return true
			}))
			return found
		}
		for _, text := range c.texts {
			if !finds(text) {
				t.Errorf("%q does not find %s", text, c.name)
			}
		}
		for _, text := range c.others {
			if finds(text) {
				t.Errorf("%q finds %s", text, c.name)
			}
		}
	}
}

// Whoever types a rescue address is found by it, in whichever attribute of the
// schema it stands.
func TestSearchRescue_R22(t *testing.T) {
	for preset, places := range map[string][]string{
		"supann":           {"supannMailPrive: {SECOURS}", "supannMailPrive: {PERSO}", "supannMailPerso: ", "supannAutreMail: "},
		"ent-school":       {"ENTPersonAutresMails: "},
		"active-directory": {"otherMailbox: "},
	} {
		for _, place := range places {
			d := open(t, one(t, preset, place+"domi@example.org"))
			if n, _ := everybody(t, d, directory.Query{Text: "Domi@example.org"}); n != 1 {
				t.Errorf("%s: %s%d found", preset, place, n)
			}
		}
	}
}
