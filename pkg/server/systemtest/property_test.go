package systemtest_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail/mailtest"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

var (
	moves = flag.Int("moves", 1500, "how many requests an attacker makes at random")
	seed  = flag.Uint64("seed", 0, "of the attacker's chance; 0 takes another each time")
)

// attacker asks whatever can be asked, of three browsers that share what they
// learn. One account is theirs, elefevre, and its mail; of the others they know
// every number and date of birth, and read no message.
type attacker struct {
	t        *testing.T
	chance   *rand.Rand
	browsers []*browser
	post     *mailtest.Server
	pool     map[string][]string
}

const attackersPassword = "une guitare verte sous la pluie"

var (
	doors = []string{"/recover", "/activate", "/recover/sent", "/code", "/code?by=birthdate", "/recover/link", "/recover/number", "/recover/more",
		"/recover/address", "/recover/password", "/recover/unlock", "/recover/undo", "/recover/done", "/login"}
	// facts are what an attacker knows of others: a number and a date of birth.
	facts  = [][2]string{{"22401003", "14/03/2005"}, {"22601013", "20/05/2007"}, {"22401007", "05/11/2002"}, {"0909990102B", "01/12/2004"}}
	others = []string{"jdupont", "fndiaye", "imichel", "hnguyen", "zmartinez", "tmoreau", "u.admin"}
)

func (a *attacker) any(of []string) string { return of[a.chance.IntN(len(of))] }

// move is one request with some fields, good ones among them.
func (a *attacker) move() {
	b := a.browsers[a.chance.IntN(len(a.browsers))]
	b.from = fmt.Sprintf("192.0.2.%d", a.chance.IntN(250))
	switch a.chance.IntN(12) {
	case 0: // their own way, as far as it leads
		a.ownWay(b)
	case 1: // another browser's cookies, all of them or one
		here := &url.URL{Scheme: "http", Host: "localhost:8080", Path: "/"}
		theirs := a.browsers[a.chance.IntN(len(a.browsers))].jar.Cookies(here)
		if len(theirs) > 0 && a.chance.IntN(2) == 0 {
			theirs = theirs[a.chance.IntN(len(theirs)):][:1]
		}
		b.jar.SetCookies(here, theirs)
	case 2:
		b.do(http.MethodGet, a.any(doors), nil)
	case 3:
		b.do(http.MethodGet, "/recover/link?t="+url.QueryEscape(a.any(a.pool["link"])), nil)
	case 4, 5:
		a.byFacts(b)
	default:
		fields := url.Values{}
		for name, values := range a.pool {
			if a.chance.IntN(2) == 0 {
				fields.Set(name, a.any(values))
			}
		}
		for _, button := range []string{"resend", "again", "later", "charter"} {
			if a.chance.IntN(8) == 0 {
				fields.Set(button, "yes")
			}
		}
		b.do(http.MethodPost, a.any(doors), fields)
	}
}

// byFacts says all that is known of somebody at a door that asks for it, and
// goes on as if that were a proof.
func (a *attacker) byFacts(b *browser) {
	fact := facts[a.chance.IntN(len(facts))]
	b.do(http.MethodPost, a.any([]string{"/recover/number", "/code?by=birthdate", "/recover/more"}),
		url.Values{"username": {fact[0]}, "birth": {fact[1]}, "code": {fact[1]}, "method": {"birthdate"}})
	for range a.chance.IntN(3) {
		b.do(http.MethodPost, a.any([]string{"/recover/address", "/recover/password", "/recover/unlock"}),
			url.Values{"address": {"elodie.l@example.org"}, "password": {attackersPassword}, "charter": {"yes"}})
	}
}

// ownWay gets a link for the own account, if one more may be sent, and uses one;
// it reports whether that led to a new password.
func (a *attacker) ownWay(b *browser) bool {
	if b.do(http.MethodPost, "/recover", url.Values{"username": {"elefevre"}}); len(a.pool["link"]) == 1 {
		eventually(a.t, "no mail", func() bool { return len(a.post.Messages()) > 0 })
	}
	for _, m := range a.post.Messages() {
		if m.To != "elodie.l@example.org" {
			continue
		}
		for _, found := range mailedLink.FindAllString(m.Text, -1) {
			_, token, _ := strings.Cut(found, "?t=")
			a.pool["link"] = append(a.pool["link"], token, token[:len(token)/2]+strings.Repeat("A", len(token)-len(token)/2))
		}
		a.pool["code"] = append(a.pool["code"], mailedCode.FindAllString(m.Text, -1)...)
	}
	b.do(http.MethodGet, "/recover/link?t="+url.QueryEscape(a.any(a.pool["link"])), nil)
	b.do(http.MethodPost, "/recover/link", nil)
	if a.chance.IntN(2) == 0 {
		return false
	}
	done := b.do(http.MethodPost, "/recover/password", url.Values{"password": {attackersPassword}})
	return strings.Contains(done.header.Get("Location"), "/recover/done")
}

// R-REC-10, R-REC-13: no sequence of requests sets the password of somebody
// whose messages are not read, nor activates, unlocks or changes an address.
func TestNoWayToAPasswordWithoutAProof(t *testing.T) {
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("-seed %d", from)
	a := &attacker{t: t, chance: rand.New(rand.NewPCG(from, 1)), post: mailtest.NewServer(t, mailtest.Options{}), pool: map[string][]string{
		"username": append([]string{"elefevre", "22401003", "22601013", "22401007", "0909990102B"}, others...),
		"birth":    {"14/03/2005", "20/05/2007", "05/11/2002", "01/12/2004"},
		"code":     {"000000", "123456", "K7QM-2XDB-9RTH", "14/03/2005", "20/05/2007", "05/11/2002"},
		"method":   {"emaillink", "smscode", "helpdesk", "birthdate", "question"},
		"password": {attackersPassword},
		"address":  {"elodie.l@example.org"},
		"mail":     {"elodie.l@example.org"},
		"login":    others, "account": others, "to": {"elodie.l@example.org"},
		"link": {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	}}
	people, at := a.siege(t)
	before := map[string]account.Account{}
	for _, login := range others {
		before[login] = find(t, people, login)
	}
	for range 3 {
		a.browsers = append(a.browsers, newBrowser(t, at))
	}
	// To whoever reads the mail the way is open: it is not that nothing works.
	eventually(t, "the attacker's own account takes no new password", func() bool { return a.ownWay(a.browsers[0]) })
	for range *moves {
		a.move()
	}
	for _, login := range others {
		now := find(t, people, login)
		if err := people.Authenticate(t.Context(), now, secret.New(attackersPassword)); err == nil {
			t.Errorf("%s has the attacker's password", login)
		}
		if now.Status != before[login].Status || fmt.Sprint(now.Contacts) != fmt.Sprint(before[login].Contacts) {
			t.Errorf("%s was %v %v and is %v %v", login, before[login].Status, before[login].Contacts, now.Status, now.Contacts)
		}
	}
	for _, m := range a.post.Messages() {
		if m.To == "elodie.l@example.org" && !strings.Contains(m.Text, "elefevre") {
			t.Errorf("a message about somebody else came to the attacker:\n%s", m.Text)
		}
	}
}

func find(t *testing.T, people directory.Directory, login string) account.Account {
	t.Helper()
	a, err := people.Find(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// siege runs a preset in this process, with people that can be looked at from
// outside.
func (a *attacker) siege(t *testing.T) (directory.Directory, *node) {
	t.Helper()
	folder := t.TempDir()
	if err := slapdtest.WriteCertificates(folder); err != nil {
		t.Fatal(err)
	}
	material := filepath.Join(folder, "keys")
	if err := server.NewKeys(material); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(a.post.Address)
	presetEnvironment(t, folder, port, newPhones(t).URL)
	config, err := server.Load(example("clermont"))
	if err != nil {
		t.Fatal(err)
	}
	config.Keys, config.Proxies = material, []string{"127.0.0.1/32"}
	config.Login.Floor = 1 // hundreds of moves are wrong
	plugins := embedded(t)
	s, err := server.Open(t.Context(), config, plugins, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	people, err := plugins.Directories.Open(t.Context(), config.Directory, directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{address: listener.Addr().String(), url: issuer}
	n.connect()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx, listener, s.Handler()) }()
	t.Cleanup(func() {
		n.transport.CloseIdleConnections()
		stop()
		<-ended
		s.Close()
	})
	return people, n
}
