package portal

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/web"
)

// cookieAddress remembers, sealed, the rescue address that is being proved
// while an account is activated, and which kinds are not asked for any more
// today.
const cookieAddress = "recovery-address"

// addressed is what cookieAddress holds.
type addressed struct {
	Attempt string                `json:"a,omitempty"`
	To      string                `json:"t,omitempty"` // as it was typed
	Until   time.Time             `json:"u,omitzero"`
	Done    []account.ContactKind `json:"d,omitempty"` // given, or put off
}

// and is what is remembered once a kind is done.
func (a addressed) and(kind account.ContactKind) addressed {
	return addressed{Done: append(a.Done, kind)}
}

func (p *Portal) addressed(r *http.Request) (a addressed) {
	p.kept(r, cookieAddress, &a)
	return a
}

// lacking is the kind of rescue address to ask for now; empty for none.
func (p *Portal) lacking(r *http.Request, ready recovery.Ready) account.ContactKind {
	done := p.addressed(r).Done
	for _, kind := range ready.Lacks {
		if !slices.Contains(done, kind) {
			return kind
		}
	}
	return ""
}

// address asks for a rescue address while an account is activated, so that the
// next recovery needs no desk (requirement R21).
func (p *Portal) address(w http.ResponseWriter, r *http.Request) {
	if ready, ok := p.ready(w, r, "/recover/address"); ok {
		p.showAddress(w, r, http.StatusOK, p.lacking(r, ready), p.addressed(r), nil)
	}
}

func (p *Portal) showAddress(w http.ResponseWriter, r *http.Request, status int, kind account.ContactKind, asked addressed, alert *render.Alert) {
	p.Pages.Render(w, r, status, render.Address{Kind: string(kind), Typed: r.PostFormValue("address"), Code: r.PostFormValue("code"),
		SentTo: asked.To, ValidUntil: asked.Until, Frame: render.Frame{Step: 3, Alert: alert, NoDoors: true}})
}

func (p *Portal) postAddress(w http.ResponseWriter, r *http.Request) {
	ready, ok := p.ready(w, r, "/recover/address")
	if !ok {
		return
	}
	asked, kind := p.addressed(r), p.lacking(r, ready)
	proof, source, client := p.Cookies.Get(r, cookieProof), web.ClientRange(r), web.ClientAddr(r).String()
	switch {
	case render.SwitchesLanguage(r):
		p.showAddress(w, r, http.StatusOK, kind, asked, nil)
	case r.PostFormValue("later") != "":
		p.keep(w, cookieAddress, attemptLife, asked.and(kind))
		p.to(w, r, "/recover/password")
	case r.PostFormValue("again") != "":
		p.keep(w, cookieAddress, attemptLife, addressed{Done: asked.Done})
		p.to(w, r, "/recover/address")
	case asked.Attempt != "":
		err := p.Recovery.CompleteAddress(r.Context(), proof, recovery.Reply{Attempt: asked.Attempt, Code: r.PostFormValue("code"), Source: source, Address: client})
		if err == nil {
			p.noteRecovered(r, recovery.Ready{Account: ready.Account, Reached: []account.ContactKind{kind}})
		}
		p.addressAnswer(w, r, err, kind, asked, "/recover/password", asked.and(kind))
	default:
		typed := strings.TrimSpace(r.PostFormValue("address"))
		begun, err := p.Recovery.BeginAddress(r.Context(), proof, kind, typed, p.Pages.Language(r), source, client)
		p.addressAnswer(w, r, err, kind, asked, "/recover/address", addressed{Attempt: begun.Attempt, To: typed, Until: begun.Until, Done: asked.Done})
	}
}

// addressAnswer goes on to a page, or says what was wrong.
func (p *Portal) addressAnswer(w http.ResponseWriter, r *http.Request, err error, kind account.ContactKind, asked addressed, to string, then addressed) {
	var slow *recovery.SlowDown
	switch {
	case err == nil:
		p.keep(w, cookieAddress, attemptLife, then)
		p.to(w, r, to)
	case errors.As(err, &slow):
		p.showAddress(w, r, http.StatusTooManyRequests, kind, asked, p.slowDown(slow))
	case errors.Is(err, recovery.ErrAddress):
		p.Logger.WarnContext(r.Context(), "rescue address not taken", "ref", web.Reference(r), "err", err)
		asked = addressed{Done: asked.Done}
		p.keep(w, cookieAddress, attemptLife, asked)
		p.showAddress(w, r, http.StatusBadRequest, kind, asked, &render.Alert{Key: badAddress(kind, err), Field: "address"})
	case errors.Is(err, recovery.ErrWrong):
		p.showAddress(w, r, http.StatusBadRequest, kind, asked, &render.Alert{Key: render.AlertBadCode, Field: "code"})
	default:
		p.noProof(w, r, err)
	}
}

func badAddress(kind account.ContactKind, err error) render.AlertKey {
	switch {
	case errors.Is(err, recovery.ErrCountry):
		return render.AlertBadCountry
	case kind == account.Phone:
		return render.AlertBadNumber
	}
	return render.AlertBadAddress
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
