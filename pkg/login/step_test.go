package login_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/session"
)

// charter is a step that wants the word "yes".
type charter struct{ down bool }

func (charter) Name() string { return "charter" }

func (charter) Due(s *session.Session) bool { return s.Note("charter") == "" }

func (charter) Show(w http.ResponseWriter, _ *http.Request, s *session.Session, form login.StepForm) {
	_, _ = fmt.Fprintf(w, "charter for %s at %s, again %v state=%s", s.Account.Login, form.URL, form.Again, form.State)
}

func (c charter) Take(r *http.Request, s *session.Session) (any, error) {
	if c.down {
		return nil, errors.New("down")
	}
	if word := r.PostFormValue("word"); word != "yes" {
		return "not " + word, nil
	}
	s.SetNote("charter", "yes")
	return nil, nil
}

// newPassword is the step of a password that must be changed.
type newPassword struct{}

func (newPassword) Name() string { return login.StepPassword }

func (newPassword) Due(s *session.Session) bool { return login.MustChange(s) }

func (newPassword) Show(w http.ResponseWriter, _ *http.Request, _ *session.Session, form login.StepForm) {
	_, _ = fmt.Fprintf(w, "choose state=%s", form.State)
}

func (newPassword) Take(_ *http.Request, s *session.Session) (any, error) {
	login.Changed(s)
	return nil, nil
}

// Steps come one after the other, on whatever path, and none is passed.
func TestSteps(t *testing.T) {
	w := open(t)
	w.flow.Steps = []login.Step{newPassword{}, login.GraceNotice{Pages: pages{}}, charter{}}
	w.dir.set("alice", account.Grace)
	b := w.browser()
	page := b.try(b.get("/app?fresh=1"), "alice", "old")
	w.want("first the password", page, "choose")
	w.want("from anywhere", b.get("/app?other"), "choose")
	w.want("a later step first", b.post("/login/continue", "step", "charter", "word", "yes", "state", page.state()), "choose")
	w.want("without its name", b.post("/login/continue", "state", page.state()), "choose")
	page = b.post("/login/continue", "step", "password", "state", page.state())
	w.want("then the notice", page, "notice")
	page = b.post("/login/continue", "step", "grace", "state", page.state())
	w.want("then the charter", page, "charter for alice at /app?fresh=1, again <nil>")
	page = b.post("/login/continue", "step", "charter", "word", "no", "state", page.state())
	w.want("with what was wrong", page, "charter for alice at /app?fresh=1, again not no")
	w.want("which is said once", b.get("/app?fresh=1"), "charter for alice at /app?fresh=1, again <nil>")
	w.want("an old page", b.post("/login/continue", "step", "password", "state", page.state()), "charter")
	w.want("in", b.post("/login/continue", "step", "charter", "word", "yes", "state", page.state()), "in as alice at /app?fresh=1, fresh true")
	w.want("once in a session", b.get("/app?other"), "in as alice")

	again := w.browser()
	w.want("a new session has its own", again.try(again.get("/app"), "alice", "right"), "notice")
}

// R13: from the notice somebody may go and ask for more time, and has seen it.
func TestGraceNoticeLeadsToMore(t *testing.T) {
	for more, want := range map[login.Elsewhere]string{"/app?more": "in as alice at /app?more", "": "in as alice at /app,"} {
		w := open(t)
		w.flow.Steps = []login.Step{login.GraceNotice{Pages: pages{}, More: more}}
		w.dir.set("alice", account.Grace)
		b := w.browser()
		page := b.try(b.get("/app"), "alice", "right")
		page = b.post("/login/continue", "step", "grace", login.FieldMore, "yes", "state", page.state())
		w.want("where it leads", page, want)
		w.want("seen", b.get("/app"), "in as alice")
	}
}

// A request that allows no page gets no session while a step is due.
func TestStepsAreNotPassedSilently(t *testing.T) {
	w := open(t)
	w.flow.Steps = []login.Step{charter{}}
	w.mux.Page("GET /silent", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, err := w.flow.Session(r, login.Request{URL: "/silent"})
		_, _ = fmt.Fprintf(rw, "silent %v %v", s != nil, err)
	}))
	b := w.browser()
	page := b.try(b.get("/app"), "alice", "right")
	w.want("due", b.get("/silent"), "silent false <nil>")
	b.post("/login/continue", "step", "charter", "word", "yes", "state", page.state())
	w.want("done", b.get("/silent"), "silent true <nil>")
}

// Without the step, a password that must be changed opens nothing; nor does it
// for an account that may not log in anyway.
func TestMustChange(t *testing.T) {
	w := open(t)
	b := w.browser()
	w.want("no step", b.try(b.get("/app"), "alice", "old"), "refused alice: must_change")
	w.flow.Steps = []login.Step{newPassword{}}
	w.dir.set("bob", account.Disabled)
	w.want("closed", b.try(b.get("/app"), "bob", "old"), "refused bob: closed")
	if b.cookies["session"] != "" {
		t.Error("a session")
	}
}

// A mark that an administrator puts meanwhile is seen within a minute, and gone
// with the change.
func TestMustChangeMeanwhile(t *testing.T) {
	w := open(t)
	w.flow.Steps = []login.Step{newPassword{}}
	b := w.browser()
	w.want("in", b.try(b.get("/app"), "alice", "right"), "in as alice")
	w.dir.set("alice", marked)
	w.want("at once", b.get("/app"), "in as alice")
	w.clock.Advance(time.Minute)
	page := b.get("/app?x")
	w.want("a minute later", page, "choose")
	w.dir.set("alice", "")
	w.want("changed", b.post("/login/continue", "step", "password", "state", page.state()), "in as alice at /app?x")
	w.want("for good", b.get("/app"), "in as alice")
}

// A fault in a step is a 503 that passes nothing.
func TestStepFault(t *testing.T) {
	w := open(t)
	w.flow.Steps = []login.Step{charter{down: true}}
	b := w.browser()
	page := b.try(b.get("/app"), "alice", "right")
	if a := b.post("/login/continue", "step", "charter", "word", "yes", "state", page.state()); a.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", a.Code)
	}
	w.want("still due", b.get("/app"), "charter")
}
