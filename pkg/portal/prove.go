package portal

import (
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/web"
)

// answer hands an answer to the engine; again shows the form that it came
// from. What is wrong is answered as late for an account that nobody has as for
// one that could have been right (R-AUTH-14).
func (p *Portal) answer(w http.ResponseWriter, r *http.Request, reply recovery.Reply, again func(int, *render.Alert)) {
	reply.Source, reply.Address = web.ClientRange(r), web.ClientAddr(r).String()
	reply.Proof, reply.Language, reply.Return = p.Cookies.Get(r, cookieProof), p.Pages.Language(r), local(r)
	hold := p.Login.Hold(r.Context())
	proven, err := p.Recovery.Answer(r.Context(), reply)
	if errors.Is(err, recovery.ErrWrong) || errors.Is(err, recovery.ErrSlowDown) {
		hold()
	}
	var slow *recovery.SlowDown
	var late *recovery.Late
	switch {
	case errors.As(err, &slow):
		again(http.StatusTooManyRequests, p.slowDown(slow))
	case errors.As(err, &late):
		again(http.StatusGone, p.tooLate(r, late))
	case errors.Is(err, recovery.ErrWrong) && reply.Method == "" && !isCode(reply.Code):
		again(http.StatusBadRequest, &render.Alert{Key: render.AlertNoCode, Field: "code"})
	case errors.Is(err, recovery.ErrWrong):
		again(http.StatusBadRequest, &render.Alert{Key: render.AlertBadCode, Field: "code"})
	case err != nil:
		p.Unavailable(w, r, err)
	default:
		p.proved(w, r, proven)
	}
}

// isCode reports whether what was typed can be a code at all; else it is
// mistyped.
func isCode(typed string) bool {
	return recovery.LongCode(typed) != "" || recovery.Digits(typed) != ""
}

// tooLate says what became of a code that was right. One that did what it was
// for leads on: it may have been answered on another device.
func (p *Portal) tooLate(r *http.Request, late *recovery.Late) *render.Alert {
	alert := &render.Alert{Key: render.AlertKey("late_" + string(late.Fate)), Field: "code", At: late.At}
	switch {
	case !late.Again.IsZero():
		alert.Key, alert.At = render.AlertLateLent, late.Again
	case late.Fate == recovery.Used:
		ask, _ := p.asked(r)
		alert.Links = []render.Link{p.door(render.LinkLogin, "/login", or(local(r), ask.Return))}
	}
	return alert
}

// proved keeps a proof with the browser and goes on.
func (p *Portal) proved(w http.ResponseWriter, r *http.Request, proven recovery.Proven) {
	p.Cookies.Set(w, cookieProof, proven.Proof, proven.Life)
	p.Cookies.Delete(w, cookieLink)
	p.to(w, r, "/recover/password")
}

// Recognised answers a posted login form whose password was a code (requirement
// R62), and reports whether it did.
func (p *Portal) Recognised(w http.ResponseWriter, r *http.Request, login string, typed secret.String, back string) bool {
	if p.Recovery == nil {
		return false
	}
	if !web.LocalPath(back) || back == "/login" {
		back = ""
	}
	proven, ok, err := p.Recovery.Recognise(r.Context(), recovery.Reply{Login: login, Code: typed.Reveal(), Return: back,
		Proof: p.Cookies.Get(r, cookieProof), Language: p.Pages.Language(r), Source: web.ClientRange(r), Address: web.ClientAddr(r).String()})
	var late *recovery.Late
	switch {
	case errors.As(err, &late):
		p.Pages.Render(w, r, http.StatusGone, render.Code{Username: login, Letters: p.Recovery.Letters(),
			Frame: render.Frame{Step: 2, Action: "/code", Alert: p.tooLate(r, late), Return: back, Hidden: returnField(back)}})
	case err != nil:
		p.Unavailable(w, r, err)
	case ok:
		p.proved(w, r, proven)
	}
	return ok || err != nil
}

// ready reads the proof of this browser, or answers the request itself: with
// what is wrong with it, or with the page where it leads.
func (p *Portal) ready(w http.ResponseWriter, r *http.Request, page string) (recovery.Ready, bool) {
	ready, err := p.Recovery.Proven(r.Context(), p.Cookies.Get(r, cookieProof))
	if err != nil {
		p.noProof(w, r, err)
		return ready, false
	}
	right := "/recover/password"
	switch {
	case len(ready.More) > 0 || ready.Short:
		right = "/recover/more"
	case p.lacking(r, ready) != "":
		right = "/recover/address"
	case ready.Purpose == recovery.Unlock, page == "/recover/unlock" && ready.Unlockable:
		right = "/recover/unlock"
	}
	if right != page {
		p.to(w, r, right)
		return ready, false
	}
	return ready, true
}

// more asks for what is still to be proved.
func (p *Portal) more(w http.ResponseWriter, r *http.Request) {
	if ready, ok := p.ready(w, r, "/recover/more"); ok {
		p.showMore(w, r, http.StatusOK, ready, nil)
	}
}

func (p *Portal) showMore(w http.ResponseWriter, r *http.Request, status int, ready recovery.Ready, alert *render.Alert) {
	view := render.More{Short: ready.Short, Left: ready.Left, Frame: render.Frame{Step: 2, Alert: alert, Return: ready.Return}}
	for _, each := range ready.More {
		view.Ways = append(view.Ways, render.MoreWay(each))
	}
	p.Pages.Render(w, r, status, view)
}

func (p *Portal) postMore(w http.ResponseWriter, r *http.Request) {
	ready, ok := p.ready(w, r, "/recover/more")
	if !ok {
		return
	}
	method, typed := r.PostFormValue("method"), r.PostFormValue("code")
	for _, each := range ready.More {
		switch {
		case each.Method != method:
		case each.Sends:
			p.begin(w, r, asked{Method: method, Purpose: ready.Purpose, Return: ready.Return, More: true, To: each.To}, func(status int, alert *render.Alert) {
				p.showMore(w, r, status, ready, alert)
			})
			return
		case typed == "":
			p.showMore(w, r, http.StatusBadRequest, ready, &render.Alert{Key: render.AlertMissing, Field: method})
			return
		default:
			p.answer(w, r, recovery.Reply{Method: method, Code: typed}, func(status int, alert *render.Alert) {
				if alert.Key == render.AlertBadCode {
					alert.Key = render.AlertBadAnswer
				}
				if alert.Field != "" {
					alert.Field = method
				}
				p.showMore(w, r, status, ready, alert)
			})
			return
		}
	}
	p.showMore(w, r, http.StatusBadRequest, ready, nil)
}

func (p *Portal) password(w http.ResponseWriter, r *http.Request) {
	if ready, ok := p.ready(w, r, "/recover/password"); ok {
		p.showPassword(w, r, http.StatusOK, ready, nil)
	}
}

func (p *Portal) showPassword(w http.ResponseWriter, r *http.Request, status int, ready recovery.Ready, alert *render.Alert) {
	p.Pages.Render(w, r, status, render.Password{Purpose: render.Purpose(ready.Purpose), Login: ready.Login, Minimum: ready.Minimum, Kinds: p.Recovery.Policy.Kinds(),
		Charter: ready.Charter, Unlockable: ready.Unlockable,
		Frame: render.Frame{Step: 3, Alert: alert, Return: ready.Return, NoDoors: true}})
}

func (p *Portal) postPassword(w http.ResponseWriter, r *http.Request) {
	if render.SwitchesLanguage(r) {
		p.password(w, r)
		return
	}
	proof := p.Cookies.Get(r, cookieProof)
	if r.PostFormValue("charter") != "" {
		if err := p.Recovery.Accept(r.Context(), proof); err != nil {
			p.noProof(w, r, err)
			return
		}
	}
	ready, err := p.Recovery.Complete(r.Context(), proof, secret.New(r.PostFormValue("password")), web.ClientAddr(r).String())
	var refused *recovery.Refused
	switch {
	case errors.As(err, &refused):
		p.showPassword(w, r, http.StatusUnprocessableEntity, ready, weak(refused))
	case errors.Is(err, recovery.ErrCharter):
		p.showPassword(w, r, http.StatusUnprocessableEntity, ready, &render.Alert{Key: render.AlertCharter, Field: "charter"})
	case errors.Is(err, recovery.ErrPartial):
		p.to(w, r, "/recover/more")
	case errors.Is(err, directory.ErrUnavailable) && ready.Login != "":
		p.Logger.ErrorContext(r.Context(), "password not set", "ref", web.Reference(r), "err", err)
		w.Header().Set("Retry-After", retryAfter)
		p.showPassword(w, r, http.StatusServiceUnavailable, ready, &render.Alert{Key: render.AlertUnavailable})
	case err != nil:
		p.noProof(w, r, err)
	default:
		p.finish(w, r, ready.Purpose, ready)
	}
}

func (p *Portal) unlock(w http.ResponseWriter, r *http.Request) {
	if ready, ok := p.ready(w, r, "/recover/unlock"); ok {
		p.Pages.Render(w, r, http.StatusOK, render.Unlock{Login: ready.Login, Frame: render.Frame{Step: 2, Return: ready.Return}})
	}
}

func (p *Portal) postUnlock(w http.ResponseWriter, r *http.Request) {
	ready, err := p.Recovery.Unlock(r.Context(), p.Cookies.Get(r, cookieProof), web.ClientAddr(r).String())
	switch {
	case errors.Is(err, recovery.ErrPartial):
		p.to(w, r, "/recover/more")
	case err != nil:
		p.noProof(w, r, err)
	default:
		p.finish(w, r, recovery.Unlock, ready)
	}
}

// finished is what cookieDone holds for the page after the last one.
type finished struct {
	Purpose recovery.Purpose `json:"p"`
	Login   string           `json:"l"`
	Rescue  []string         `json:"r,omitempty"` // masked
	Charter bool             `json:"c,omitempty"`
}

// finish forgets what the browser held, with whoever was signed in there, and
// says that all is done.
func (p *Portal) finish(w http.ResponseWriter, r *http.Request, purpose recovery.Purpose, ready recovery.Ready) {
	p.noteRecovered(r, ready)
	if _, err := p.Login.Logout(w, r); err != nil { // it ends by itself; what was asked for is done
		p.Logger.WarnContext(r.Context(), "a session is left in the browser of a recovery", "err", err)
	}
	if err := p.Login.Forgive(r, ready.Account); err != nil { // they wait a minute, then
		p.Logger.WarnContext(r.Context(), "the failures before a recovery are not forgotten", "err", err)
	}
	p.Cookies.Delete(w, cookieProof)
	p.Cookies.Delete(w, cookieAttempt)
	p.Cookies.Delete(w, cookieAddress)
	p.keep(w, cookieDone, doneLife, finished{Purpose: purpose, Login: ready.Login, Rescue: ready.Rescue, Charter: ready.Charter != ""})
	p.to(w, r, withReturn("/recover/done", ready.Return))
}

// noProof sends somebody who has none, or none any more, to get one; whom the
// state of the account stands in the way of is told so, since they have proved
// that it is theirs.
func (p *Portal) noProof(w http.ResponseWriter, r *http.Request, err error) {
	var state *recovery.State
	switch {
	case errors.As(err, &state):
		p.Cookies.Delete(w, cookieProof)
		p.Logger.InfoContext(r.Context(), "recovery refused by the state of the account", "ref", web.Reference(r), "reason", string(state.Reason))
		view := render.Refused{Reason: render.Reason(state.Reason), Proved: true, Reference: web.Reference(r)}
		p.Pages.Render(w, r, http.StatusForbidden, view)
	case errors.Is(err, recovery.ErrNoProof), errors.Is(err, recovery.ErrState), errors.Is(err, recovery.ErrWrong):
		p.Cookies.Delete(w, cookieProof)
		p.showAgain(w, r)
	default:
		p.Unavailable(w, r, err)
	}
}

// showAgain offers to begin again from the page of the first step, or to sign
// in: whoever pressed a button twice, or went back, is done.
func (p *Portal) showAgain(w http.ResponseWriter, r *http.Request) {
	p.Pages.Render(w, r, http.StatusGone, render.Identify{Purpose: render.PurposeReset, Numbers: p.Recovery.Identifies() != nil, Several: len(p.Recovery.Channels()) > 1, Frame: render.Frame{
		Step: 1, Action: "/recover", Alert: &render.Alert{Key: render.AlertStartAgain, Links: []render.Link{{Key: render.LinkLogin, URL: "/login"}}}}})
}

// done sums up what an activation has made. After any other recovery there is
// nothing to read but that it is done: the form to sign in with says so.
func (p *Portal) done(w http.ResponseWriter, r *http.Request) {
	back, done := local(r), p.finished(r)
	if done.Purpose != recovery.Activate {
		p.to(w, r, or(back, "/login"))
		return
	}
	p.Pages.Render(w, r, http.StatusOK, render.Activated{Login: done.Login, Rescue: done.Rescue, Charter: done.Charter, LoginURL: p.Pages.URL(or(back, "/login")),
		Frame: render.Frame{Destination: p.destination(back), NoDoors: true}})
}

// finished is what this browser has just finished; zero for nothing.
func (p *Portal) finished(r *http.Request) (done finished) {
	p.kept(r, cookieDone, &done)
	return done
}

// news are the words for what was just finished; empty where nothing was, or
// where they were read on a page of their own.
func (f finished) news() render.AlertKey {
	switch f.Purpose {
	case recovery.Reset:
		return render.AlertPasswordChanged
	case recovery.Unlock:
		return render.AlertUnlocked
	}
	return ""
}
