package desk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
)

// news is what a page says after a form was answered, by the name that the
// redirect gives it.
var news = map[string]render.AlertKey{"done": render.AlertDeskDone, "verified": render.AlertDeskVerified, "sent": render.AlertDeskSent, "linked": render.AlertDeskLinked, "lifted": render.AlertDeskLifted}

func (p *Pages) person(w http.ResponseWriter, r *http.Request, s *session.Session) {
	var alert *render.Alert
	if key, ok := news[r.URL.Query().Get("news")]; ok {
		alert = &render.Alert{Key: key, Good: true}
	}
	p.show(w, r, s, http.StatusOK, alert)
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request, s *session.Session, status int, alert *render.Alert) {
	who, err := p.Desk.Person(r.Context(), p.of(r, s, r.PathValue("handle")))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := personView(who)
	view.Frame = render.Frame{NoDoors: true, Alert: alert, Action: r.URL.Path}
	p.Pages.Render(w, r, status, view)
}

func personView(who operator.Person) render.DeskPerson {
	a := who.Account
	view := render.DeskPerson{Name: a.Name, Login: a.Login, Status: string(a.Status), Reason: render.Reason(a.Reason), Ends: a.Ends,
		Next: string(who.Next), Facts: who.Facts, VerifiedBy: string(who.Verified.By), VerifiedUntil: who.Verified.Until,
		CodeSent: who.CodeSent, ContactSent: who.ContactSent, Match: who.Match, Missed: string(who.Missed)}
	for i, c := range who.Contacts {
		view.Contacts = append(view.Contacts, render.DeskContact{Index: i, Kind: string(c.Kind), Text: c.Text, Sendable: c.Sendable, Doubtful: c.Doubtful, Frozen: c.Frozen, Held: c.Held})
	}
	for _, e := range who.Events {
		result := e.Result
		if strings.HasPrefix(result, "refused_") { // the reason is in the state
			result = "refused"
		}
		view.Events = append(view.Events, render.DeskEvent{At: e.At, Result: result, To: e.To, Fate: string(e.Fate)})
	}
	for _, act := range operator.Acts() {
		why, known := who.Acts[act]
		var denied operator.Denied
		switch do := (render.DeskAct{Act: string(act)}); {
		case !known, errors.As(why, &denied) && !asked(act, a):
		case why == nil && act == operator.ActContact:
			view.Corrects = true
		case why == nil && (act == operator.ActFreeze || act == operator.ActThaw):
			view.Freezes = true
		case denied != "":
			view.Denied = append(view.Denied, render.DeskAct{Act: do.Act, Why: string(denied)})
		case string(who.Next) == do.Act || act == operator.ActUnlock && who.Next == operator.NextLift, act == operator.ActVouch && who.Next == operator.NextRenew:
			do.Why = "next"
			view.Acts = slices.Insert(view.Acts, 0, do)
		default:
			view.Acts = append(view.Acts, do)
		}
	}
	for _, reason := range operator.Reasons() {
		view.Reasons = append(view.Reasons, string(reason))
	}
	return view
}

// asked reports whether an operator would wonder why something may not be done
// to an account.
func asked(act operator.Act, a account.Account) bool {
	switch act {
	case operator.ActUnlock:
		return a.Status == account.Locked && a.Reason != account.ReasonAdministrative
	case operator.ActDecide:
		return a.Status == account.Locked && a.Reason == account.ReasonAdministrative
	case operator.ActFreeze, operator.ActThaw: // as for a correction
		return false
	}
	return true
}

// answer is what a form led to: the news of the page that is shown next.
type answer func(ctx context.Context, c operator.Case, r *http.Request) (news string, err error)

// does are the forms of the page, by what they post as do.
func (p *Pages) does(do string) answer {
	simple := func(news string, act func(context.Context, operator.Case, operator.Reason) error) answer {
		return func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return news, act(ctx, c, operator.Reason(r.PostFormValue("reason")))
		}
	}
	freeze := func(frozen bool) answer {
		return func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "done", p.Desk.Freeze(ctx, c, operator.Reason(r.PostFormValue("reason")), index(r, "contact"), frozen)
		}
	}
	return map[string]answer{
		"send": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "sent", p.Desk.SendCode(ctx, c, index(r, "contact"))
		},
		"match": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "linked", p.Desk.SendMatch(ctx, c, index(r, "contact"))
		},
		"code": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "verified", p.Desk.ReadBack(ctx, c, r.PostFormValue("code"))
		},
		"card": func(ctx context.Context, c operator.Case, _ *http.Request) (string, error) {
			return "verified", p.Desk.CardSeen(ctx, c)
		},
		"facts": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "verified", p.Desk.FactsSaid(ctx, c, operator.Facts{Birth: r.PostFormValue("birth"), Other: r.PostFormValue("other")})
		},
		"forget": func(ctx context.Context, c operator.Case, _ *http.Request) (string, error) {
			return "", p.Desk.Forget(ctx, c)
		},
		"unlock": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			exposed, err := p.Desk.Unlock(ctx, c, operator.Reason(r.PostFormValue("reason")))
			if exposed {
				return "lifted", err
			}
			return "done", err
		},
		"decide": simple("done", p.Desk.Decide),
		"resend": simple("done", p.Desk.Resend),
		"cancel": simple("done", p.Desk.Cancel),
		"end":    simple("done", p.Desk.End),
		"freeze": freeze(true),
		"thaw":   freeze(false),
		"contact": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "sent", p.Desk.Correct(ctx, c, operator.Reason(r.PostFormValue("reason")), index(r, "from"), r.PostFormValue("address"))
		},
		"contact_code": func(ctx context.Context, c operator.Case, r *http.Request) (string, error) {
			return "done", p.Desk.Corrected(ctx, c, operator.Reason(r.PostFormValue("reason")), r.PostFormValue("code"))
		},
	}[do]
}

// index is a number of the form, -1 for what is none.
func index(r *http.Request, field string) int {
	n, err := strconv.Atoi(r.PostFormValue(field))
	if err != nil {
		return -1
	}
	return n
}

func (p *Pages) postPerson(w http.ResponseWriter, r *http.Request, s *session.Session) {
	c, do := p.of(r, s, r.PathValue("handle")), r.PostFormValue("do")
	if do == string(operator.ActVouch) {
		p.vouch(w, r, s, c)
		return
	}
	act := p.does(do)
	if act == nil {
		p.show(w, r, s, http.StatusBadRequest, nil)
		return
	}
	what, err := act(r.Context(), c, r)
	if err != nil {
		p.wrong(w, r, s, err)
		return
	}
	query := ""
	if what != "" {
		query = "?" + url.Values{"news": {what}}.Encode()
	}
	http.Redirect(w, r, p.Pages.URL(r.URL.Path)+query, http.StatusSeeOther)
}

// mistakes are the errors that the page itself tells.
var mistakes = map[error]render.AlertKey{
	operator.ErrWrong: render.AlertDeskWrong, operator.ErrTooMany: render.AlertDeskTooMany, operator.ErrNoContact: render.AlertDeskNoContact,
	operator.ErrReason: render.AlertMissing, operator.ErrStillLocked: render.AlertDeskStillLocked,
	operator.ErrCannotFreeze: render.AlertDeskNoFreeze, recovery.ErrAddress: render.AlertDeskNoContact,
	recovery.ErrState: render.AlertDeskConflict, recovery.ErrSlowDown: render.AlertDeskTooMany, directory.ErrConflict: render.AlertDeskConflict,
}

func (p *Pages) wrong(w http.ResponseWriter, r *http.Request, s *session.Session, err error) {
	if errors.Is(err, operator.DeniedUnverified) { // the page says how that is done
		p.show(w, r, s, http.StatusForbidden, &render.Alert{Key: render.AlertDeskUnverified})
		return
	}
	for mistake, key := range mistakes {
		if errors.Is(err, mistake) {
			p.show(w, r, s, http.StatusBadRequest, &render.Alert{Key: key})
			return
		}
	}
	p.failed(w, r, err)
}

// vouch shows a code once: it is in this answer and nowhere else.
func (p *Pages) vouch(w http.ResponseWriter, r *http.Request, s *session.Session, c operator.Case) {
	issued, err := p.Desk.Vouch(r.Context(), c, operator.Reason(r.PostFormValue("reason")))
	if err != nil {
		p.wrong(w, r, s, err)
		return
	}
	drawing, err := render.QR(issued.URL.Reveal())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.Pages.Render(w, r, http.StatusOK, render.DeskCode{Frame: render.Frame{NoDoors: true}, Name: issued.Account.Name, Login: issued.Account.Login,
		Code: issued.Code.Reveal(), QR: drawing, Until: issued.Until, Back: r.URL.Path})
}
