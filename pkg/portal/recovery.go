package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/web"
)

// The cookies of somebody on the way back in. None of them is a session.
const (
	// cookieAttempt remembers, sealed, what this browser asked for.
	cookieAttempt = "recovery"
	// cookieLink holds the token of an opened link, so that it stands in the
	// address bar, the history and the logs no longer than one redirect.
	cookieLink = "recovery-link"
	// cookieProof holds the proof of the browser that answered.
	cookieProof = "recovery-proof"
	// cookieUndo holds the token of a message about a changed address.
	cookieUndo = "recovery-undo"
	// cookieDone holds, sealed, what was done and the identifier to sign in
	// with.
	cookieDone = "recovery-done"

	attemptLife = 24 * time.Hour
	// doneLife is how long the identifier is recalled: computers are shared.
	doneLife = 5 * time.Minute
	// maxToken keeps a made-up token from making a cookie that no browser
	// takes.
	maxToken = 100
	// maxAsked keeps cookieAttempt, sealed and encoded, below the 4 KiB that
	// browsers take (RFC 6265 section 6.1).
	maxAsked = 2800
)

// asked is what cookieAttempt holds.
type asked struct {
	Attempt string           `json:"a"`
	Login   string           `json:"l"`
	Purpose recovery.Purpose `json:"p"`
	Method  string           `json:"m,omitempty"`
	// Birth and Name are typed instead of a login, beside a number.
	Birth string `json:"b,omitempty"`
	Name  string `json:"f,omitempty"`
	// More is set for a further proof: the message goes to whom the first one
	// was of, at To, which is masked.
	More   bool      `json:"x,omitempty"`
	To     string    `json:"d,omitempty"`
	At     time.Time `json:"t"`
	Until  time.Time `json:"u"`
	Return string    `json:"r,omitempty"`
	Resent bool      `json:"n,omitempty"`
}

// identify asks who somebody is.
func (p *Portal) identify(purpose recovery.Purpose) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if purpose == recovery.Reset && p.onlyCodes() {
			p.to(w, r, withReturn("/code", local(r)))
			return
		}
		if purpose == recovery.Activate && p.Recovery.Numbered(purpose) {
			p.to(w, r, withReturn("/recover/number", local(r)))
			return
		}
		p.showIdentify(w, r, http.StatusOK, purpose, "", nil)
	}
}

// onlyCodes reports whether nothing is ever sent here: whoever is lost has a
// code of the desk or of a letter, or asks for one in person.
func (p *Portal) onlyCodes() bool {
	return len(p.Recovery.Channels()) == 0 && p.Recovery.Identifies() == nil
}

// printed reports whether codes are printed here: a first sign-in can begin with
// one.
func (p *Portal) printed() bool {
	return slices.ContainsFunc(p.Recovery.Methods, func(m recovery.Method) bool { return m.Name() == letters.Method })
}

func (p *Portal) showIdentify(w http.ResponseWriter, r *http.Request, status int, purpose recovery.Purpose, typed string, alert *render.Alert) {
	p.Pages.Render(w, r, status, render.Identify{Purpose: render.Purpose(purpose), Username: typed, Code: r.PostFormValue("code"),
		Letters: p.printed() || p.onlyCodes(), Handed: p.onlyCodes(), Network: p.Establishments != nil, Numbers: p.Recovery.Identifies() != nil, Several: len(p.Recovery.Channels()) > 1,
		Frame: render.Frame{Step: 1, Alert: alert, Return: local(r), Hidden: keepReturn(r)}})
}

func (p *Portal) postIdentify(purpose recovery.Purpose) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		typed := r.PostFormValue("username")
		switch {
		case render.SwitchesLanguage(r):
			p.showIdentify(w, r, http.StatusOK, purpose, typed, nil)
		case typed == "":
			p.showIdentify(w, r, http.StatusBadRequest, purpose, typed, &render.Alert{Key: render.AlertMissing, Field: "username"})
		case r.PostFormValue("code") != "":
			p.answer(w, r, recovery.Reply{Login: typed, Code: r.PostFormValue("code")}, func(status int, alert *render.Alert) {
				p.showIdentify(w, r, status, purpose, typed, alert)
			})
		case p.onlyCodes():
			missing := &render.Alert{Key: render.AlertMissing, Field: "code"}
			if purpose == recovery.Activate {
				p.showIdentify(w, r, http.StatusBadRequest, purpose, typed, missing)
			} else {
				p.showCode(w, r, http.StatusBadRequest, typed, missing)
			}
		default:
			p.begin(w, r, asked{Login: typed, Purpose: purpose, Return: local(r)}, func(status int, alert *render.Alert) {
				p.showIdentify(w, r, status, purpose, typed, alert)
			})
		}
	}
}

// number asks who somebody is who has no identifier at hand.
func (p *Portal) number(w http.ResponseWriter, r *http.Request) {
	p.showNumber(w, r, http.StatusOK, nil)
}

func (p *Portal) showNumber(w http.ResponseWriter, r *http.Request, status int, alert *render.Alert) {
	by := p.Recovery.Identifies()
	if by == nil {
		p.Problem(w, r, http.StatusNotFound)
		return
	}
	p.Pages.Render(w, r, status, render.Number{Username: r.PostFormValue("username"), Birth: r.PostFormValue("birth"), Name: r.PostFormValue("name"),
		WithName: by.WithName(), Letters: p.Recovery.Letters(), Frame: render.Frame{Step: 1, Alert: alert, Return: local(r), Hidden: keepReturn(r)}})
}

func (p *Portal) postNumber(w http.ResponseWriter, r *http.Request) {
	by := p.Recovery.Identifies()
	if by == nil || render.SwitchesLanguage(r) {
		p.showNumber(w, r, http.StatusOK, nil)
		return
	}
	for _, field := range []string{"username", "birth", "name"} {
		if r.PostFormValue(field) == "" && (field != "name" || by.WithName()) {
			p.showNumber(w, r, http.StatusBadRequest, &render.Alert{Key: render.AlertMissing, Field: field})
			return
		}
	}
	// A number is read from paper, in groups.
	ask := asked{Login: strings.Join(strings.Fields(r.PostFormValue("username")), ""), Birth: r.PostFormValue("birth"), Name: r.PostFormValue("name"), Purpose: recovery.Identifier, Return: local(r)}
	// Where that is all that is asked it is answered now; everywhere else, and
	// whatever was wrong, a message leaves, if somebody is there.
	reply := recovery.Reply{Method: by.Name(), Login: ask.Login, Code: ask.Birth, Name: ask.Name}
	p.answer(w, r, reply, func(int, *render.Alert) {
		p.begin(w, r, ask, func(status int, alert *render.Alert) { p.showNumber(w, r, status, alert) })
	})
}

// begin starts an attempt and shows what to do next: the same for everybody.
// again shows the page that they come from to those who must wait.
func (p *Portal) begin(w http.ResponseWriter, r *http.Request, ask asked, again func(int, *render.Alert)) {
	begun, err := p.start(r, ask)
	var slow *recovery.SlowDown
	switch {
	case errors.As(err, &slow):
		again(http.StatusTooManyRequests, p.wait(render.AlertAskedOften, slow))
		return
	case err != nil:
		p.noProof(w, r, err)
		return
	}
	ask.Attempt, ask.At, ask.Until = begun.Attempt, begun.At, begun.Until
	// A long way back is in the attempt all the same; a name so long is nobody's.
	for _, text := range []*string{&ask.Return, &ask.Login, &ask.Birth, &ask.Name} {
		if plain, err := json.Marshal(ask); err == nil && len(plain) > maxAsked {
			*text = ""
		}
	}
	p.keep(w, cookieAttempt, attemptLife, ask)
	p.to(w, r, "/recover/sent")
}

func (p *Portal) start(r *http.Request, ask asked) (recovery.Begun, error) {
	address := web.ClientAddr(r).String()
	if ask.More {
		return p.Recovery.Next(r.Context(), p.Cookies.Get(r, cookieProof), ask.Method, p.Pages.Language(r), address)
	}
	begin := recovery.Begin{Purpose: ask.Purpose, Method: ask.Method, Login: ask.Login, Language: p.Pages.Language(r), Return: ask.Return,
		Source: web.ClientRange(r), Address: address}
	if by := p.Recovery.Identifies(); by != nil && ask.Birth != "" {
		begin.Known, begin.Fact = by.Name(), recovery.Answer{Code: ask.Birth, Name: ask.Name}
	}
	return p.Recovery.Begin(r.Context(), begin)
}

func (p *Portal) sent(w http.ResponseWriter, r *http.Request) {
	ask, ok := p.asked(r)
	if !ok {
		p.to(w, r, "/recover")
		return
	}
	var alert *render.Alert
	if ask.Resent {
		alert = &render.Alert{Key: render.AlertResent, Good: true}
	}
	p.showSent(w, r, http.StatusOK, ask, "", alert)
}

func (p *Portal) showSent(w http.ResponseWriter, r *http.Request, status int, ask asked, typed string, alert *render.Alert) {
	by, others, channels := "", []string(nil), p.Recovery.Channels()
	switch {
	case len(channels) == 1:
		by = channels[0]
	case slices.Contains(channels, ask.Method):
		by = ask.Method
	}
	if !ask.More {
		others = slices.DeleteFunc(channels, func(name string) bool { return name == by })
	}
	p.Pages.Render(w, r, status, render.Sent{Purpose: render.Purpose(ask.Purpose), SentAt: ask.At, ValidUntil: ask.Until, To: ask.To, Code: typed, By: by, Channels: others, Letters: p.Recovery.Letters() && !ask.More,
		Frame: render.Frame{Step: 2, Alert: alert, Return: ask.Return}})
}

func (p *Portal) postSent(w http.ResponseWriter, r *http.Request) {
	ask, ok := p.asked(r)
	typed := r.PostFormValue("code")
	switch {
	case !ok && typed != "": // the browser forgot whose it is
		p.showCode(w, r, http.StatusBadRequest, "", &render.Alert{Key: render.AlertMissing, Field: "username"})
		return
	case !ok:
		p.to(w, r, "/recover")
		return
	}
	if render.SwitchesLanguage(r) {
		p.showSent(w, r, http.StatusOK, ask, typed, nil)
		return
	}
	method := r.PostFormValue("method")
	if r.PostFormValue("resend") != "" || method != "" {
		next := ask
		next.Resent = true
		if method != "" && !ask.More {
			next.Method = method
		}
		p.begin(w, r, next, func(status int, alert *render.Alert) { p.showSent(w, r, status, ask, typed, alert) })
		return
	}
	if typed == "" {
		p.showSent(w, r, http.StatusBadRequest, ask, typed, &render.Alert{Key: render.AlertMissing, Field: "code"})
		return
	}
	reply := recovery.Reply{Attempt: ask.Attempt, Code: typed}
	if recovery.LongCode(typed) != "" { // the message did not come, and somebody called the desk
		reply = recovery.Reply{Login: ask.Login, Code: typed}
	}
	p.answer(w, r, reply, func(status int, alert *render.Alert) {
		p.showSent(w, r, status, ask, typed, alert)
	})
}

// code is the way in on another device than that which asked, and for what no
// message brought.
func (p *Portal) code(w http.ResponseWriter, r *http.Request) {
	who := ""
	if ask, ok := p.asked(r); ok && p.now().Before(ask.Until) { // and not of yesterday: computers are shared
		who = ask.Login
	}
	p.showCode(w, r, http.StatusOK, who, nil)
}

func (p *Portal) showCode(w http.ResponseWriter, r *http.Request, status int, who string, alert *render.Alert) {
	frame := render.Frame{Step: 2, Alert: alert, Return: local(r), Hidden: keepReturn(r)}
	if p.by(r) == "" {
		frame.Action = "/code" // it is shown by other pages too
	}
	p.Pages.Render(w, r, status, render.Code{Username: who, Code: r.PostFormValue("code"), Letters: p.Recovery.Letters(), Handed: p.onlyCodes(), By: p.by(r), Frame: frame})
}

func (p *Portal) postCode(w http.ResponseWriter, r *http.Request) {
	who := r.PostFormValue("username")
	if render.SwitchesLanguage(r) {
		p.showCode(w, r, http.StatusOK, who, nil)
		return
	}
	for _, field := range []string{"username", "code"} {
		if r.PostFormValue(field) == "" {
			p.showCode(w, r, http.StatusBadRequest, who, &render.Alert{Key: render.AlertMissing, Field: field})
			return
		}
	}
	p.answer(w, r, recovery.Reply{Method: p.by(r), Login: who, Code: r.PostFormValue("code")}, func(status int, alert *render.Alert) {
		if alert.Key == render.AlertBadCode && p.by(r) != "" {
			alert = &render.Alert{Key: render.AlertBadAnswer, Field: "code"}
		}
		p.showCode(w, r, status, who, alert)
	})
}

// by is the method that a kiosk or a site's own page chose by /code?by=…
func (p *Portal) by(r *http.Request) string {
	if name := r.URL.Query().Get("by"); p.Recovery.Asks(name) {
		return name
	}
	return ""
}

// link is where the links of messages lead. The first request takes the token
// out of the address; none consumes anything, since it is not always a person
// who opens a link (R-REC-06, R-REC-27).
func (p *Portal) link(w http.ResponseWriter, r *http.Request) {
	if token := r.URL.Query().Get("t"); token != "" {
		if len(token) > maxToken {
			token = "-" // none of ours: the page says so
		}
		p.Cookies.Set(w, cookieLink, token, attemptLife)
		p.to(w, r, "/recover/link")
		return
	}
	p.showLink(w, r, http.StatusOK, nil)
}

func (p *Portal) showLink(w http.ResponseWriter, r *http.Request, status int, alert *render.Alert) {
	seen, err := p.Recovery.Look(r.Context(), p.Cookies.Get(r, cookieLink), p.Cookies.Get(r, cookieProof))
	switch {
	case err != nil:
		p.Unavailable(w, r, err)
		return
	case seen.Here:
		p.to(w, r, "/recover/password")
		return
	}
	frame := render.Frame{Step: 2, Return: seen.Return, Alert: alert}
	if seen.Fate == recovery.Open {
		p.Pages.Render(w, r, status, render.Opened{Frame: frame, Purpose: render.Purpose(seen.Purpose), Code: seen.Code, ValidUntil: seen.Until})
		return
	}
	frame.Step, frame.Hidden = 0, []render.Field{{Name: fieldAgain, Value: "yes"}}
	if status != http.StatusTooManyRequests {
		frame.Alert, status = nil, http.StatusGone
	}
	p.Pages.Render(w, r, status, render.Expired{Frame: frame, Purpose: render.Purpose(or(seen.Purpose, recovery.Reset)), Fate: render.Fate(seen.Fate), At: seen.At, Handed: seen.Handed})
}

// fieldAgain asks for a new message in place of a link that has ended.
const fieldAgain = "again"

func (p *Portal) postLink(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue(fieldAgain) != "" {
		p.another(w, r)
		return
	}
	p.answer(w, r, recovery.Reply{Link: p.Cookies.Get(r, cookieLink)}, func(status int, alert *render.Alert) {
		alert.Field = "" // nothing is typed here
		p.showLink(w, r, status, alert)
	})
}

// another sends a new message to whoever holds a link that was good once,
// without asking who they are again.
func (p *Portal) another(w http.ResponseWriter, r *http.Request) {
	seen, err := p.Recovery.Look(r.Context(), p.Cookies.Get(r, cookieLink), "")
	switch {
	case err != nil:
		p.Unavailable(w, r, err)
	case seen.Login == "":
		p.to(w, r, "/recover")
	default:
		p.begin(w, r, asked{Login: seen.Login, Purpose: seen.Purpose, Return: seen.Return, Resent: true}, func(status int, alert *render.Alert) {
			p.showLink(w, r, status, alert)
		})
	}
}

// destination is the name of the application to which a local URL leads.
func (p *Portal) destination(back string) string {
	u, err := url.Parse(back)
	if err != nil {
		return ""
	}
	for _, n := range p.Namers {
		if name := n.PartyAt(u); name != "" {
			return name
		}
	}
	return ""
}

// keep seals something of the page's own into a cookie, and kept reads it back:
// value stays as it is where there is none.
func (p *Portal) keep(w http.ResponseWriter, name string, life time.Duration, value any) {
	plain, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain data
	}
	p.Cookies.Set(w, name, p.Keys.Box("portal "+name).Seal(plain, ""), life)
}

func (p *Portal) kept(r *http.Request, name string, value any) bool {
	plain, err := p.Keys.Box("portal "+name).Open(p.Cookies.Get(r, name), "")
	return err == nil && json.Unmarshal(plain, value) == nil
}

func (p *Portal) asked(r *http.Request) (ask asked, ok bool) {
	ok = p.kept(r, cookieAttempt, &ask)
	return ask, ok
}

func (p *Portal) slowDown(s *recovery.SlowDown) *render.Alert { return p.wait(render.AlertSlowDown, s) }

// wait says until when, and who is there meanwhile.
func (p *Portal) wait(key render.AlertKey, s *recovery.SlowDown) *render.Alert {
	return &render.Alert{Key: key, At: p.now().Add(s.Wait), Links: []render.Link{{Key: render.LinkHelp, URL: "/help"}}}
}

func refusedKey(reason string) string { return "password.refused." + reason }

// local is the local path to come back to, empty without a safe one.
func local(r *http.Request) string {
	if back := r.FormValue("return"); web.LocalPath(back) {
		return back
	}
	return ""
}

func keepReturn(r *http.Request) []render.Field { return returnField(local(r)) }

func returnField(back string) []render.Field {
	if back == "" {
		return nil
	}
	return []render.Field{{Name: "return", Value: back}}
}

func withReturn(path, back string) string {
	if back == "" {
		return path
	}
	u, err := url.Parse(path)
	if err != nil {
		return path // a constant of ours
	}
	query := u.Query()
	query.Set("return", back)
	u.RawQuery = query.Encode()
	return u.String()
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
