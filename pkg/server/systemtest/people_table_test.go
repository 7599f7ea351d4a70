package systemtest_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail/mailtest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"
	"github.com/loge-idp/loge/providers/standard"
)

// peopleNetwork is one of the two networks, with applications: one for everybody, which
// does not take people in grace; one by a rule, which does; one by a rule,
// which does not.
type peopleNetwork struct {
	name, suffix, preset, identifier string
	ldif                             []byte
	own, password                    string
	applications                     []string
	configuration                    string
}

var peopleNetworks = []peopleNetwork{
	{
		name: "university", suffix: fixtures.UniversitySuffix, preset: "supann", identifier: "eduPersonUniqueId",
		ldif: fixtures.University(fixtures.Clock, services), own: "univ-valmont.example", password: "Valmont-%s-2026",
		applications: []string{"Moodle", "Scolarité", "Paie"},
		configuration: `    release: [eduPersonAffiliation, supannEtuId, supannEmpId, schacDateOfBirth]
applications:
  - name: Moodle
    attributes: [displayName, {name: eduPersonAffiliation, as: affiliation, join: ";"}, accountState]
  - name: Scolarité
    access: {attribute: eduPersonAffiliation, in: [student, alum, affiliate]}
    grace: allow
    attributes: [{name: supannEtuId, as: number}, {name: schacDateOfBirth, as: born, format: "date:02/01/2006"}, accountState, accountEnd]
  - name: Paie
    access: {attribute: eduPersonAffiliation, in: [employee]}
    user: supannEmpId
    attributes: [sn, {name: eduPersonAffiliation, as: statut, map: {faculty: enseignant, staff: biatss, researcher: chercheur}}]
`,
	},
	{
		name: "school", suffix: fixtures.SchoolSuffix, preset: "ent-school", identifier: "entryUUID",
		ldif: fixtures.School(fixtures.Clock, services), own: "ent-valmont.example", password: "Ent-%s-2026",
		applications: []string{"ENT", "Notes", "Vie scolaire"},
		configuration: `    release: [ENTPersonProfils, ESCOUAI, ESCOUAICourant, ENTPersonDateNaissance, ENTEleveClasses, ENTAuxEnsClassesPrincipal]
applications:
  - name: ENT
    attributes: [displayName, {name: ESCOUAICourant, as: establishment}, {name: ESCOUAI, as: establishments}, accountState]
  - name: Notes
    access: {attribute: ENTPersonProfils, in: [National_ELV, National_TUT]}
    grace: allow
    attributes: [{name: ENTPersonDateNaissance, as: born, format: "date:2006-01-02"}, {name: ENTEleveClasses, as: classes}]
  - name: Vie scolaire
    access: {attribute: ENTPersonProfils, in: [National_ENS, National_EVS, National_DIR, National_ETA]}
    attributes: [{name: ENTPersonProfils, as: role, map: {National_ENS: professeur, National_EVS: vie scolaire, National_DIR: direction, National_ETA: administration}},
      {name: ENTAuxEnsClassesPrincipal, as: main}]
`,
	},
}

// text is the configuration; the applications speak both protocols.
func (p peopleNetwork) text() string {
	text := `issuer: ` + issuer + `
keys: keys
proxies: ["127.0.0.1/32"]
site: {name: Valmont, language: en, help: {phone: 01 99 00 12 34}}
directory:
  type: ldap
  bindDN: ` + fixtures.ReaderDN(p.suffix) + `
  bindPassword: ${env:LOGE_LDAP_READER}
  writeDN: ` + fixtures.WriterDN(p.suffix) + `
  writePassword: ${env:LOGE_LDAP_WRITER}
  base: ou=people,` + p.suffix + `
  preset: ` + p.preset + `
  ownDomains: [` + p.own + `]
  attributes:
` + p.configuration + `store: {type: memory}
mail: {type: smtp, host: 127.0.0.1, port: "${env:LOGE_SMTP_PORT}", tls: none, from: assistance@valmont.example}
sms: {type: http, url: "${env:LOGE_SMS_URL}", json: {to: "{to}", message: "{text}"}}
recovery: {methods: [{type: emaillink}, {type: smscode}]}
`
	for i, name := range p.applications {
		text = strings.Replace(text, "  - name: "+name+"\n", fmt.Sprintf(`  - name: %s
    protocols:
      oidc: {id: app%d, secret: "${env:LOGE_PORTAL_SECRET}", redirectURIs: ["%s"]}
      cas: {url: "%s"}
`, name, i, callback, casApplication(i)), 1)
	}
	return text
}

func casApplication(i int) string { return "http://127.0.0.1:9/app" + strconv.Itoa(i) }

// lookedAt are plugins whose directory is at the clock of the fixtures, and can
// be looked into.
type lookedAt struct {
	ldap.Config
	into *directory.Directory
}

func (c *lookedAt) Open(ctx context.Context, env directory.Env) (d directory.Directory, err error) {
	*c.into, err = c.Config.Open(ctx, env)
	return *c.into, err
}

// keptStore is a store that can be looked into, and whose time stands still.
type keptStore struct{ into **memory.FakeTimeStore }

func (c *keptStore) Open(context.Context, struct{}) (s store.Store, err error) {
	*c.into, err = memory.NewFakeTimeStore(fixtures.Clock, nil)
	return *c.into, err
}

// valmont is a server in this process, with its workers, on one of the networks.
type valmont struct {
	peopleNetwork
	*node
	directory directory.Directory
	store     *memory.FakeTimeStore
	post      *mailtest.Server
	phones    *phones
}

func (p peopleNetwork) open(t *testing.T, dial ldap.Config) *valmont {
	t.Helper()
	h := &valmont{peopleNetwork: p, post: mailtest.NewServer(t, mailtest.Options{}), phones: newPhones(t)}
	folder := t.TempDir()
	if err := os.Symlink(must(t, keys), filepath.Join(folder, "keys")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "loge.yaml")
	if err := os.WriteFile(file, []byte(p.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(h.post.Address)
	for name, value := range map[string]string{"LOGE_LDAP_READER": services.Reader, "LOGE_LDAP_WRITER": services.Writer,
		"LOGE_SMTP_PORT": port, "LOGE_SMS_URL": h.phones.URL, "LOGE_PORTAL_SECRET": clientSecret} {
		t.Setenv(name, value)
	}
	dial.Now = func() time.Time { return fixtures.Clock }
	plugins := standard.Plugins()
	plugins.Directories["ldap"] = func() plugin.Config[directory.Directory, directory.Env] { return &lookedAt{dial, &h.directory} }
	plugins.Stores["memory"] = func() plugin.Config[store.Store, struct{}] { return &keptStore{&h.store} }
	config, err := server.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Open(t.Context(), config, plugins, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Run(ctx, listener, s.Handler()) }()
	h.node = &node{address: listener.Addr().String()}
	h.connect()
	h.url = issuer
	t.Cleanup(func() {
		h.transport.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return h
}

// row is one person: of the table, what is asked, and then what is seen.
type row struct {
	head       string // id, name of the entry, and what the case is
	login      string
	password   string // of the directory; mostly derived from the login
	merged     string // the login of the account that this one was merged into
	typed, not []string
	seen       []string
}

// The table is read for its questions, and compared for its answers. Of each
// row the first lines are questions:
//
//	U01 elefevre: what the case is about
//	  typed  "names" "that are" "this person's"
//	  not    "names" "that are" "nobody's"
func (h *valmont) questions(t *testing.T, file string) (rows []row, preamble, whole string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		what, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasPrefix(line, "#"):
			preamble += line
		case line[0] != ' ' && line != "\n":
			name, _, _ := strings.Cut(rest, ":")
			rows = append(rows, row{head: strings.TrimSpace(line), login: name, password: fmt.Sprintf(h.password, name)})
		case what == "typed":
			rows[len(rows)-1].typed = quoted(t, rest)
		case what == "not":
			rows[len(rows)-1].not = quoted(t, rest)
		case what == "merged": // into another, whose password it is
			rows[len(rows)-1].merged = strings.TrimSpace(rest)
			rows[len(rows)-1].password = fmt.Sprintf(h.password, strings.TrimSpace(rest))
		}
	}
	return rows, preamble, string(text)
}

func quoted(t *testing.T, text string) (out []string) {
	t.Helper()
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		prefix, err := strconv.QuotedPrefix(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		value, _ := strconv.Unquote(prefix)
		out, text = append(out, value), text[len(prefix):]
	}
	return out
}

// R1, R2b, R3, R10 to R13, R16, R20, R53, R57: for each of the 29 and 22 people
// of the fixtures, on the day they are written for, by each of their names:
// their state, whether they sign in, where messages to them go, and what
// applications of both protocols hear.
func TestPeople(t *testing.T) {
	for _, network := range peopleNetworks {
		t.Run(network.name, func(t *testing.T) {
			t.Run("slapd", func(t *testing.T) {
				real := slapdtest.Start(t, slapdtest.Options{Schema: fixtures.Schema, Index: fixtures.Index,
					Trees:  []slapdtest.Tree{{Suffix: network.suffix, LDIF: network.ldif}},
					Policy: "pwdLockout: TRUE\npwdMaxFailure: 5\npwdMustChange: TRUE\npwdMinLength: 8\npwdCheckQuality: 2\n"})
				network.open(t, ldap.Config{URLs: []string{real.URL}}).compare(t)
			})
			t.Run("embedded", func(t *testing.T) {
				own := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema), []string{fixtures.ReaderDN(network.suffix)}, []string{fixtures.WriterDN(network.suffix)})
				t.Cleanup(func() { own.Close() })
				if err := own.Load(network.ldif); err != nil {
					t.Fatal(err)
				}
				network.open(t, ldap.Config{Dial: own.Dial}).compare(t)
			})
		})
	}
}

func (h *valmont) compare(t *testing.T) {
	rows, got, want := h.questions(t, "testdata/people-"+h.name+".txt")
	t.Run("people", func(t *testing.T) { // parallel, since failures are held back
		for i := range rows {
			t.Run(rows[i].login, func(t *testing.T) {
				t.Parallel()
				rows[i].seen = h.look(t, rows[i], fmt.Sprintf("10.0.%d.1", i))
			})
		}
	})
	for i, r := range rows {
		got += "\n" + r.head + "\n" + names("typed", r.typed) + names("not", r.not)
		if r.merged != "" {
			got += "  " + line("merged", "%s", r.merged) + "\n"
		}
		for _, line := range append(r.seen, h.messages(t, r, fmt.Sprintf("10.1.%d.1", i))...) {
			got += "  " + line + "\n"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not as in the table: %s\nas it is:\n%s", diff, got)
	}
}

func names(what string, list []string) string {
	if list == nil {
		return ""
	}
	var out []string
	for _, name := range list {
		out = append(out, strconv.Quote(name))
	}
	return fmt.Sprintf("  %-12s %s\n", what, strings.Join(out, " "))
}

func line(what, format string, values ...any) string {
	return fmt.Sprintf("%-12s ", what) + fmt.Sprintf(format, values...)
}

// failed is what comes of a wrong password, and of a name that is nobody's.
const failed = "no: could not sign you in"

// look is the state, and what comes of signing in by each of the names.
func (h *valmont) look(t *testing.T, r row, from string) (seen []string) {
	var first account.Account
	var outcome string
	var b *browser
	for i, name := range r.typed {
		a, err := h.directory.Find(t.Context(), name)
		if err != nil {
			t.Fatalf("%q is found nowhere: %v", name, err)
		}
		b = newBrowser(t, h.node)
		b.from = from
		result := outcome
		if result != failed { // which is held back, and says the same to all
			result = h.enter(b, b.get("/login"), name, r.password)
		}
		if i == 0 {
			first, outcome = a, result
		} else if a.ID != first.ID || result != outcome {
			t.Errorf("by %q: %s %s; by %q: %s %s", r.typed[0], first.ID, outcome, name, a.ID, result)
		}
	}
	for _, name := range r.not {
		other := newBrowser(t, h.node)
		other.from = from
		if got := h.enter(other, other.get("/login"), name, r.password); got != failed {
			t.Errorf("by %q: %s", name, got)
		}
	}
	state := string(first.Status)
	if first.Reason != "" {
		state += ", " + string(first.Reason)
	}
	if !first.Ends.IsZero() {
		state += ", until " + first.Ends.In(account.Place).Format(time.DateOnly)
	}
	seen = append(seen, line("state", "%s", state), line("signs in", "%s", outcome))
	if strings.HasPrefix(outcome, "no") {
		return seen
	}
	for i, application := range h.applications {
		seen = append(seen, line(application, "%s", h.told(t, b, i, first)))
	}
	return append(seen, line("sub", "%s", h.subject(t, b, first)))
}

// enter signs in and says what comes of it.
func (h *valmont) enter(b *browser, p *page, name, secret string) string {
	p = b.signIn(p, name, secret)
	note := ""
	if p.status == http.StatusOK && strings.Contains(p.body, `name="step"`) {
		note = ", after: " + titled(p)
		p = b.submit(p.form())
	}
	switch {
	case p.status == http.StatusOK && strings.Contains(p.text(), "You are signed in"):
		return "yes" + note
	case p.status == http.StatusUnauthorized && strings.Contains(p.text(), "could not sign you in"):
		return failed
	}
	return "no: " + refusal(p) + note
}

// refusal is the page of somebody who may not enter: what it is called is why.
func refusal(p *page) string {
	return fmt.Sprintf("%d %s", p.status, titled(p))
}

// titled is what a page is called, without whose site it is.
func titled(p *page) string {
	return strings.TrimSuffix(spaces.ReplaceAllString(p.title(), " "), " — Valmont")
}

// attributesOf is an answer of p3/serviceValidate.
type attributesOf struct {
	User       string `xml:"authenticationSuccess>user"`
	Attributes struct {
		All []struct {
			XMLName xml.Name
			Value   string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"authenticationSuccess>attributes"`
}

// told is what an application hears: the same by both protocols.
func (h *valmont) told(t *testing.T, b *browser, i int, a account.Account) string {
	service, ask := casApplication(i), newRequest("app"+strconv.Itoa(i))
	entered, asked := b.get(casLogin(service)), b.get(ask.url())
	if entered.location() == nil || asked.location() == nil {
		if refusal(entered) != refusal(asked) {
			t.Errorf("CAS: %s; OIDC: %s", refusal(entered), refusal(asked))
		}
		return "no: " + refusal(entered)
	}
	answer, err := h.client.Get(issuer + "/cas/p3/serviceValidate?" + url.Values{"service": {service}, "ticket": {entered.arrived(service, "ticket")}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	var cas attributesOf
	if err := xml.Unmarshal([]byte(read(t, answer).body), &cas); err != nil {
		t.Fatal(err)
	}
	heard := map[string][]string{}
	for _, each := range cas.Attributes.All {
		heard[each.XMLName.Local] = append(heard[each.XMLName.Local], each.Value)
	}
	for _, protocol := range []string{"authenticationDate", "isFromNewLogin", "longTermAuthenticationRequestTokenUsed"} {
		delete(heard, protocol)
	}
	claims := h.userinfo(t, ask.redeem(t, h.node, asked.arrived(callback, "code")).Access)
	if claims["preferred_username"] != cas.User {
		t.Errorf("%s: OIDC says %v, CAS %s", h.applications[i], claims["preferred_username"], cas.User)
	}
	out := []string{cas.User}
	for _, name := range slices.Sorted(maps.Keys(heard)) {
		by := claims[name]
		if list, ok := by.([]any); ok {
			by = strings.Trim(strings.Join(strings.Split(fmt.Sprintf("%q", list), `" "`), ", "), `[]"`)
		}
		value := strings.Join(heard[name], ", ")
		if by != value {
			t.Errorf("%s: %s is %q by CAS, %q by OIDC", h.applications[i], name, value, by)
		}
		out = append(out, fmt.Sprintf("%s=%s", name, value))
	}
	return strings.Join(out, " | ")
}

// subject is who the person is to an OIDC client, whatever application asks.
func (h *valmont) subject(t *testing.T, b *browser, a account.Account) string {
	var all []string
	for i := range h.applications {
		ask := newRequest("app" + strconv.Itoa(i))
		if entered := b.get(ask.url()); entered.location() != nil {
			claims := claimsOf(t, ask.redeem(t, h.node, entered.arrived(callback, "code")).ID)
			all = append(all, fmt.Sprint(claims["sub"]))
		}
	}
	all = slices.Compact(all)
	if len(all) == 1 && all[0] == string(a.ID) && h.identifier == "entryUUID" { // which the server makes
		return "the entryUUID"
	}
	return strings.Join(all, " and ")
}

// messages are where those go that the person asks for who is lost.
func (h *valmont) messages(t *testing.T, r row, from string) (seen []string) {
	t.Helper()
	b := newBrowser(t, h.node)
	b.from = from
	asked := func(act func() *page) (*page, string) {
		mails, texts := len(h.post.Messages()), h.phones.counts()
		p := act().shows(http.StatusOK, "Code")
		h.rest(t)
		var out []string
		for _, m := range h.post.Messages()[mails:] {
			out = append(out, fmt.Sprintf("mail to %s: %s", m.To, m.Header.Get("Subject")))
		}
		for number, n := range h.phones.counts() { // of one request there is one
			if n > texts[number] {
				out = append(out, "text to "+number)
			}
		}
		if out == nil {
			return p, "nothing"
		}
		return p, strings.Join(out, "; ")
	}
	sent, what := asked(func() *page { return b.submit(b.get("/recover").form().with(t, "username", r.typed[0])) })
	seen = append(seen, line("lost", "%s", what))
	if a, err := h.directory.Find(t.Context(), r.typed[0]); err != nil || len(a.Reach(account.Phone)) == 0 {
		return seen
	}
	form := sent.form()
	form.values.Set("method", "smscode")
	_, what = asked(func() *page { return b.submit(form) })
	return append(seen, line("by phone", "%s", what))
}

// rest waits until the outbox has nothing to do.
func (h *valmont) rest(t *testing.T) {
	t.Helper()
	eventually(t, "the outbox does not come to rest", func() bool {
		jobs := &store.List{Queue: "outbox"}
		if err := h.store.Do(t.Context(), jobs); err != nil {
			t.Fatal(err)
		}
		return len(jobs.Entries) == 0
	})
}

// counts are how many messages each number got.
func (p *phones) counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := map[string]int{}
	for number, texts := range p.got {
		counts[number] = len(texts)
	}
	return counts
}
