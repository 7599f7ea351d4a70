package systemtest_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

// valley is both networks, one Redis, one mail server, one telephone network
// and one browser, for all presets in turn.
type valley struct {
	*world
	redis  *goredis.Client
	phones *phones
	window *window
	table  []string // of the journeys, as docs/journeys.md has it
}

func newValley(t *testing.T) *valley {
	t.Helper()
	v := &valley{world: newServersWith(t, []slapdtest.Tree{university, school}, ""), phones: newPhones(t)}
	v.redis = goredis.NewClient(&goredis.Options{Addr: v.world.redis.Addr})
	t.Cleanup(func() { v.redis.Close() })
	v.window = newWindow(t, "journey", 320, false, false, chromedp.Flag("accept-lang", "fr"))
	return v
}

// serves runs a preset, on an empty Redis and at an address of its own.
func (v *valley) serves(t *testing.T, preset string) *node {
	t.Helper()
	if err := v.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(example(preset))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.file(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := port.Addr().String()
	port.Close()
	for _, variable := range append(v.environment(), "LOGE_ISSUER=http://"+address, "LOGE_SMS_URL="+v.phones.URL) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	n := start(t, program(t), nil, listens, "serve", "--config", v.file(), "--listen", address)
	// Browsers keep connections in store, for which an end in good order waits.
	t.Cleanup(func() { n.kill(t) })
	return n
}

// phones is a gateway of text messages and the telephones behind it.
type phones struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string][]string
}

func newPhones(t *testing.T) *phones {
	p := &phones{got: map[string][]string{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ To, Message string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got[m.To] = append(p.got[m.To], m.Message)
	}))
	t.Cleanup(p.Close)
	return p
}

var originBound = regexp.MustCompile(`#(\d{6})$`)

// code is that of the message to a number.
func (p *phones) code(t *testing.T, number string) (code string) {
	t.Helper()
	eventually(t, "no text message to "+number, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, text := range p.got[number] {
			if found := originBound.FindStringSubmatch(text); found != nil {
				code = found[1]
			}
		}
		return code != ""
	})
	return code
}

// letter is the code that loge letters prints for somebody.
func (v *valley) letter(t *testing.T, login string) string {
	t.Helper()
	folder := t.TempDir()
	list, printed := filepath.Join(folder, "list.csv"), filepath.Join(folder, "letters.csv")
	if err := os.WriteFile(list, []byte(login+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program(t), "letters", "--config", v.file(), "--csv", list, "--out", printed).CombinedOutput(); err != nil {
		t.Fatalf("loge letters: %v\n%s", err, out)
	}
	file, err := os.Open(printed)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row[2] == login {
			return row[3]
		}
	}
	t.Fatalf("no letter for %s: %v", login, rows)
	return ""
}

var (
	atDesk     = regexp.MustCompile(`href="(/desk/person/[^"]+)">[^<]*</a>([^,<]+),`)
	handedOver = regexp.MustCompile(`id="issued">([^<]+)<`)
)

// vouched is the code that an operator hands over to somebody whose card they
// have seen.
func (v *valley) vouched(t *testing.T, at *node, operator, secret, query, login string) string {
	t.Helper()
	b := newBrowser(t, at)
	post := func(place string, fields ...string) *page {
		values := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		return b.submit(form{method: http.MethodPost, action: at.url + place, values: values})
	}
	if in := b.signIn(b.get("/desk"), operator, secret); strings.Contains(in.body, `name="later"`) {
		later := in.form() // somebody is waiting at the desk
		later.values.Set("later", "yes")
		b.submit(later)
	}
	for _, found := range atDesk.FindAllStringSubmatch(post("/desk", "q", query).body, -1) {
		if found[2] != login {
			continue
		}
		post(found[1], "do", "card")
		given := post(found[1], "do", "vouch", "reason", "forgotten")
		if code := handedOver.FindStringSubmatch(given.body); code != nil {
			return code[1]
		}
		t.Fatalf("no code for %s: %d %s", login, given.status, given.text())
	}
	t.Fatalf("%s does not find %s", operator, login)
	return ""
}

// walk is one person's way from lost to signed in, and what it takes: the pages
// that are looked at, the first and the last included, and the fields that are
// filled in.
type walk struct {
	*window
	v             *valley
	at            *node
	pages, fields int
	known         int // messages of before
}

// lost begins at the login page, as somebody who never was here.
func (v *valley) lost(t *testing.T, at *node) *walk {
	t.Helper()
	v.window.t = t
	v.window.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.ClearBrowserCookies, cdp.Empty{})
		return err
	}))
	w := &walk{window: v.window, v: v, at: at, known: len(v.post.Messages())}
	w.open(at.url + "/login")
	return w
}

func (w *walk) open(address string) { w.t.Helper(); w.window.open(address); w.pages++ }

func (w *walk) press(selector string) { w.t.Helper(); w.window.press(selector); w.pages++ }

func (w *walk) fill(selector, text string) { w.t.Helper(); w.window.fill(selector, text); w.fields++ }

// tick is a field too.
func (w *walk) tick(selector string) { w.t.Helper(); w.reach(selector); w.fields++ }

// mailed is what the nth message to an address since the beginning holds.
func (w *walk) mailed(to string, n int, what *regexp.Regexp) []string {
	w.t.Helper()
	var found []string
	eventually(w.t, "no message to "+to, func() bool {
		left := n
		for _, m := range w.v.post.Messages()[w.known:] {
			if m.To != to || !what.MatchString(m.Text) {
				continue
			}
			if left == 0 {
				found = what.FindAllString(m.Text, -1)
				return true
			}
			left--
		}
		return false
	})
	return found
}

var (
	mailedLink = regexp.MustCompile(`http://\S+/recover/link\?t=\S+`)
	mailedCode = regexp.MustCompile(`(?m)^\d{6}\b`)
)

// chooses takes a new password, and signs in with it: the form knows the name.
// After an activation it comes behind a page that sums up.
func (w *walk) chooses(login, password string) {
	w.t.Helper()
	w.fill("#password", password)
	w.press(send)
	if evaluate[bool](w.window, `document.querySelector("#username") == null`) {
		w.says(login)
		w.press(goOn)
	}
	if known := evaluate[string](w.window, `document.querySelector("#username").value`); known != login {
		w.t.Fatalf("the form knows %q", known)
	}
	w.fill("#password", password)
	w.press(send)
}

func (w *walk) signsIn(login, password string) {
	w.t.Helper()
	w.fill("#username", login)
	w.fill("#password", password)
	w.press(send)
}
