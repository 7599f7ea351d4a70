package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/web"
)

// cookieAddress remembers, sealed, the rescue address that is being proved
// while an account is activated, or that there will be none today.
const cookieAddress = "recovery-address"

// addressed is what cookieAddress holds.
type addressed struct {
	Attempt string    `json:"a,omitempty"`
	Until   time.Time `json:"u,omitzero"`
	Later   bool      `json:"l,omitempty"`
}

func (p *Portal) addressed(r *http.Request) (a addressed) {
	plain, err := p.Keys.Box("portal "+cookieAddress).Open(p.Cookies.Get(r, cookieAddress), "")
	if err != nil || json.Unmarshal(plain, &a) != nil {
		return addressed{}
	}
	return a
}

func (p *Portal) later(r *http.Request) bool { return p.addressed(r).Later }

// address asks for a rescue address while an account is activated, so that the
// next recovery needs no desk (requirement R21).
func (p *Portal) address(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.ready(w, r, "/recover/address"); ok {
		p.showAddress(w, r, http.StatusOK, nil)
	}
}

func (p *Portal) showAddress(w http.ResponseWriter, r *http.Request, status int, alert *render.Alert) {
	asked := p.addressed(r)
	p.Pages.Render(w, r, status, render.Address{Typed: r.PostFormValue("address"), Code: r.PostFormValue("code"),
		Sent: asked.Attempt != "", ValidUntil: asked.Until, Frame: render.Frame{Step: 3, Alert: alert, NoDoors: true}})
}

func (p *Portal) postAddress(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.ready(w, r, "/recover/address"); !ok {
		return
	}
	asked := p.addressed(r)
	proof, source, client := p.Cookies.Get(r, cookieProof), web.ClientRange(r), web.ClientAddr(r).String()
	switch {
	case render.SwitchesLanguage(r):
		p.showAddress(w, r, http.StatusOK, nil)
	case r.PostFormValue("later") != "":
		p.keep(w, cookieAddress, addressed{Later: true})
		p.to(w, r, "/recover/password")
	case r.PostFormValue("again") != "":
		p.Cookies.Delete(w, cookieAddress)
		p.to(w, r, "/recover/address")
	case asked.Attempt != "":
		err := p.Recovery.CompleteAddress(r.Context(), proof, recovery.Reply{Attempt: asked.Attempt, Code: r.PostFormValue("code"), Source: source, Address: client})
		p.addressAnswer(w, r, err, "/recover/password", addressed{Later: true}) // it is there
	default:
		begun, err := p.Recovery.BeginAddress(r.Context(), proof, r.PostFormValue("address"), p.Pages.Language(r), source, client)
		p.addressAnswer(w, r, err, "/recover/address", addressed{Attempt: begun.Attempt, Until: begun.Until})
	}
}

// addressAnswer goes on to a page, or says what was wrong.
func (p *Portal) addressAnswer(w http.ResponseWriter, r *http.Request, err error, to string, then addressed) {
	var slow *recovery.SlowDown
	switch {
	case err == nil:
		p.keep(w, cookieAddress, then)
		p.to(w, r, to)
	case errors.As(err, &slow):
		p.showAddress(w, r, http.StatusTooManyRequests, slowDown(slow))
	case errors.Is(err, recovery.ErrAddress):
		p.showAddress(w, r, http.StatusBadRequest, &render.Alert{Key: render.AlertBadAddress, Field: "address"})
	case errors.Is(err, recovery.ErrWrong):
		p.showAddress(w, r, http.StatusBadRequest, &render.Alert{Key: render.AlertBadCode, Field: "code"})
	default:
		p.noProof(w, r, err)
	}
}

// undo is where the messages lead that tell of a changed rescue address. Like a
// link it leaves the address bar at once, and looking changes nothing.
func (p *Portal) undo(w http.ResponseWriter, r *http.Request) {
	if token := r.URL.Query().Get("t"); token != "" {
		if len(token) > maxToken {
			token = "-"
		}
		p.Cookies.Set(w, cookieUndo, token, attemptLife)
		p.to(w, r, "/recover/undo")
		return
	}
	good, err := p.Recovery.Undoable(r.Context(), p.Cookies.Get(r, cookieUndo))
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.showUndo(w, r, render.Undo{Gone: !good})
}

func (p *Portal) showUndo(w http.ResponseWriter, r *http.Request, view render.Undo) {
	status := http.StatusOK
	if view.Gone {
		status = http.StatusGone
	}
	p.Pages.Render(w, r, status, view)
}

func (p *Portal) postUndo(w http.ResponseWriter, r *http.Request) {
	err := p.Recovery.UndoContact(r.Context(), p.Cookies.Get(r, cookieUndo), web.ClientAddr(r).String())
	switch {
	case err == nil:
		p.Cookies.Delete(w, cookieUndo)
		p.showUndo(w, r, render.Undo{Done: true})
	case errors.Is(err, recovery.ErrNoProof), errors.Is(err, directory.ErrConflict):
		p.showUndo(w, r, render.Undo{Gone: true})
	default:
		p.Unavailable(w, r, err)
	}
}
