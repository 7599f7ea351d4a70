package systemtest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/mail/mailtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

var resets = flag.Int("resets", defaultResets, "how many new passwords are being chosen when the process is killed")

// victims are people who can get back in by a mail, with the address it goes
// to.
var victims = map[string]string{
	"elefevre": "elodie.l@example.org", "jdupont": "jd1@example.org", "jdupont2": "jd2@example.net", "mdelatour": "mala@example.org",
	"sobriain": "sean@example.com", "gdelacroix": "g.delacroix@example.org", "kaitouaret": "kahina@example.org",
	"cpetitleroy": "camille@example.org", "suharto": "suharto@example.com", "moeuvrard": "maelle@example.org",
	"dlegacy": "domi@example.org", "fbadge": "felix@example.org", "u.assist": "nora@example.org", "u.admin": "gaelle@example.org",
}

// reset is one person on the way back in.
type reset struct {
	uid, to  string
	old, new string
	browser  *browser
	answered bool // the process lived to say that it is done
	changed  bool
}

// F-KILL-01: a process is killed at random moments while people choose new
// passwords. Each password is the old or the new one; what changed one is not
// good any more; every change is in the audit; and everybody is told of theirs
// once, or twice if the process died while telling.
func TestKilledWhilePasswordsChange(t *testing.T) {
	w := newWorld(t)
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	current := map[string]string{}
	for uid := range victims {
		current[uid] = password(uid)
	}
	var all []*reset
	logs := []*journal{w.b.log}
	var whole time.Duration // how long it takes when nobody is disturbed, as the first time
	for round := 0; len(all) < *resets; round++ {
		forget(t, redis)
		now := w.begun(t, round, current)
		if lasts := w.killAmid(t, now, whole); round == 0 {
			whole = lasts
		}
		logs = append(logs, w.a.log)
		w.a = w.serve(t)
		for _, r := range now {
			w.decided(t, r)
			if r.changed {
				current[r.uid] = r.new
			}
		}
		all = append(all, now...)
	}
	// The jobs that wait for a minute, and those whose lease died, are due now.
	// Until then nobody may be doing any of them.
	w.a.kill(t)
	w.b.kill(t)
	hurry(t, redis)
	last := w.serve(t)
	eventually(t, "jobs are left", func() bool { return redis.ZCard(t.Context(), due).Val() == 0 })
	w.told(t, all, append(logs, w.a.log, last.log))
}

// begun takes everybody as far as the page for a new password, at the process
// that will live.
func (w *world) begun(t *testing.T, round int, current map[string]string) []*reset {
	t.Helper()
	known := len(w.post.Messages())
	var all []*reset
	for uid, to := range victims {
		r := &reset{uid: uid, to: to, old: current[uid], new: fmt.Sprintf("violette %d sous %d lunes rousses", round, len(all)), browser: newBrowser(t, w.b)}
		r.browser.submit(r.browser.get("/recover").form().with(t, "username", uid)).shows(http.StatusOK, "Code")
		all = append(all, r)
	}
	for _, r := range all {
		var letter mailtest.Wire
		eventually(t, "no mail to "+r.to, func() bool {
			for _, m := range w.post.Messages()[known:] {
				if m.To == r.to && strings.Contains(m.Text, "/recover/link?t=") {
					letter = m
				}
			}
			return letter.To != ""
		})
		r.browser.submit(r.browser.get(link(t, letter)).form()).shows(http.StatusOK, "Choose")
	}
	return all
}

// killAmid sends all new passwords to one process, one by one within a span of
// time, and kills it at some moment of that or soon after; without a span, when
// all is answered. It returns when the last answer came.
func (w *world) killAmid(t *testing.T, all []*reset, span time.Duration) (last time.Duration) {
	t.Helper()
	end := make(<-chan time.Time)
	if span > 0 {
		end = time.After(rand.N(span + span/2))
	}
	var posting sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	for _, r := range all {
		posting.Go(func() {
			if span > 0 {
				time.Sleep(rand.N(span))
			}
			r.answered = posted(w.a, r)
			mu.Lock()
			defer mu.Unlock()
			last = time.Since(began)
		})
	}
	answered := make(chan struct{})
	go func() { posting.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-end:
	}
	w.a.kill(t)
	<-answered
	return last
}

// posted reports whether the process said that a password is changed.
func posted(at *node, r *reset) bool {
	ask, err := http.NewRequest(http.MethodPost, issuer+"/recover/password", strings.NewReader(url.Values{"password": {r.new}}.Encode()))
	if err != nil {
		return false
	}
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range r.browser.jar.Cookies(ask.URL) {
		ask.AddCookie(c)
	}
	answer, err := at.client.Do(ask)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusSeeOther && strings.Contains(answer.Header.Get("Location"), "/recover/done")
}

// decided finds out which password it is, and what the proof is still worth.
func (w *world) decided(t *testing.T, r *reset) {
	t.Helper()
	old, changed := w.binds(t, r.uid, r.old), w.binds(t, r.uid, r.new)
	if old == changed {
		t.Errorf("%s: the old password %v, the new one %v", r.uid, old, changed)
	}
	r.changed = changed
	if r.answered && !changed {
		t.Errorf("%s was told of a change that there was not", r.uid)
	}
	if good := r.browser.get("/recover/password").status == http.StatusOK; good && changed {
		t.Errorf("%s: changed, and the proof is still good", r.uid)
	}
}

// binds asks the directory itself.
func (w *world) binds(t *testing.T, uid, password string) bool {
	t.Helper()
	conn, err := goldap.DialURL(w.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Bind("uid="+uid+",ou=people,"+fixtures.UniversitySuffix, password)
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials) {
		t.Fatal(err)
	}
	return err == nil
}

// idOf is what the audit calls somebody.
func (w *world) idOf(t *testing.T, uid string) string {
	t.Helper()
	conn, err := goldap.DialURL(w.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(fixtures.ReaderDN(fixtures.UniversitySuffix), services.Reader); err != nil {
		t.Fatal(err)
	}
	found, err := conn.Search(goldap.NewSearchRequest("ou=people,"+fixtures.UniversitySuffix, goldap.ScopeSingleLevel, 0, 0, 0, false,
		"(uid="+goldap.EscapeFilter(uid)+")", []string{"eduPersonUniqueId"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%s: %v", uid, err)
	}
	return found.Entries[0].GetAttributeValue("eduPersonUniqueId")
}

// due is the key under which Redis keeps when each job is due.
const due = "loge:{outbox}#due"

// hurry makes every job due.
func hurry(t *testing.T, redis *goredis.Client) {
	t.Helper()
	jobs, err := redis.ZRange(t.Context(), due, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range jobs {
		if err := redis.ZAddXX(t.Context(), due, goredis.Z{Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d jobs were left by the dead", len(jobs))
}

// told compares what was changed with the audit and with what people got.
func (w *world) told(t *testing.T, all []*reset, logs []*journal) {
	t.Helper()
	changes, unanswered := map[string]int{}, 0
	for _, r := range all {
		if r.changed {
			changes[r.uid]++
		}
		if r.changed && !r.answered {
			unanswered++
		}
	}
	recorded, recordedOf := 0, map[string]int{}
	for uid := range victims {
		line := `"action":"recovery.complete","result":"begun","account":"` + w.idOf(t, uid) + `"`
		for _, log := range logs {
			recordedOf[uid] += strings.Count(log.text(), line)
		}
		recorded += recordedOf[uid]
	}
	total := 0
	for uid, n := range changes {
		total += n
		notices, links := map[string]int{}, 0
		for _, m := range w.post.Messages() {
			switch id := m.Header.Get("Message-Id"); {
			case m.To != victims[uid]:
			case strings.Contains(m.Text, "was changed"):
				if notices[id]++; notices[id] > 2 {
					t.Errorf("%s was told of one change %d times", uid, notices[id])
				}
			default:
				links++
			}
		}
		// Who died just before the change leaves a notice too many.
		asked := len(all) / len(victims)
		if recordedOf[uid] < n {
			t.Errorf("%s: %d changes, and the audit has %d", uid, n, recordedOf[uid])
		}
		if len(notices) < n || len(notices) > asked {
			t.Errorf("%s: %d changes of %d begun, %d notices", uid, n, asked, len(notices))
		}
		if links < asked || links > 2*asked {
			t.Errorf("%s asked %d times and got %d links", uid, asked, links)
		}
	}
	if recorded < total || recorded > len(all) {
		t.Errorf("%d of %d passwords changed, and the audit has %d", total, len(all), recorded)
	}
	if total == 0 || total == len(all) {
		t.Errorf("%d of %d passwords changed: that shows nothing", total, len(all))
	}
	t.Logf("%d new passwords begun: %d changed, %d of these without an answer; %d in the audit", len(all), total, unanswered, recorded)
}
