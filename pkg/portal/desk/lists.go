package desk

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

const (
	// maxMass is how many accounts one run is for.
	maxMass = 10_000
	// maxListed is how many are shown by name.
	maxListed = 200
)

func (p *Pages) lists(w http.ResponseWriter, r *http.Request, s *session.Session) {
	p.showLists(w, r, s, http.StatusOK, nil, func(*render.DeskLists) {})
}

// showLists shows the form with what was typed, and what add adds to it.
func (p *Pages) showLists(w http.ResponseWriter, r *http.Request, s *session.Session, status int, alert *render.Alert, add func(*render.DeskLists)) {
	op, err := p.Desk.Enter(r.Context(), operator.Case{Operator: s.Account.ID, Address: web.ClientAddr(r).String()})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := render.DeskLists{Frame: render.Frame{NoDoors: true, Alert: alert}, Of: r.PostFormValue("of"), Group: r.PostFormValue("group"), Where: r.PostFormValue("where"),
		Logins: r.PostFormValue("logins"), Except: r.PostFormValue("except"), Frozen: r.PostFormValue("frozen"), Freezes: p.Desk.CanFreeze(),
		Letters: p.Press != nil && p.Desk.May(op, operator.Letters), Campaigns: p.Desk.CanForce() && p.Desk.May(op, operator.Campaign)}
	view.Resets, view.Reset = view.Letters && p.Press.Resets() && p.Desk.May(op, operator.Vouch), r.PostFormValue("reset") != ""
	if !view.Letters && !view.Campaigns {
		p.failed(w, r, operator.DeniedScope)
		return
	}
	known := map[string]bool{}
	for _, verb := range []operator.Verb{operator.Letters, operator.Campaign} {
		for _, population := range p.Desk.Populations(op, verb) {
			if key := population.Key(); !known[key] {
				known[key] = true
				label := population.Value[strings.LastIndexByte(population.Value, '$')+1:]
				view.Populations = append(view.Populations, render.DeskPopulation{Key: key, Label: strings.TrimSpace(population.Rule + " " + label)})
			}
		}
	}
	add(&view)
	p.Pages.Render(w, r, status, view)
}

// column is a list as somebody typed it, or pasted it from a spreadsheet: its
// first column counts.
func column(r *http.Request, field string) (out []string) {
	for line := range strings.Lines(r.PostFormValue(field)) {
		first := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(";,\"\ufeff", c) || unicode.IsSpace(c) })
		if len(first) > 0 {
			out = append(out, first[0])
		}
	}
	return out
}

// channels are those that somebody typed, one on a line: there are spaces in
// numbers.
func channels(r *http.Request) (out []string) {
	for line := range strings.Lines(r.PostFormValue("frozen")) {
		first, _, _ := strings.Cut(line, ";")
		if first = strings.Trim(first, "\" \t\r\n\ufeff"); first != "" {
			out = append(out, first)
		}
	}
	return out
}

func (p *Pages) postLists(w http.ResponseWriter, r *http.Request, s *session.Session) {
	do, verb := cmp.Or(r.PostFormValue("do"), "list"), operator.Letters
	switch do {
	case "list", "invite", "pdf", "html", "csv":
	case "count", "force":
		verb = operator.Campaign
	default:
		do = ""
	}
	if do == "" || render.SwitchesLanguage(r) {
		p.lists(w, r, s)
		return
	}
	var selected operator.Selected
	left := func(v *render.DeskLists) { v.Left = selected.Left }
	wrong := func(key render.AlertKey, field string) {
		p.showLists(w, r, s, http.StatusBadRequest, &render.Alert{Key: key, Field: field}, left)
	}
	where, err := p.Desk.Where(r.PostFormValue("where"))
	if err != nil {
		wrong(render.AlertDeskWhere, "where")
		return
	}
	var and operator.Verb
	if r.PostFormValue("reset") != "" && verb == operator.Letters { // a code for those who have a password is vouching for them
		and = operator.Vouch
	}
	c := operator.Case{Operator: s.Account.ID, Address: web.ClientAddr(r).String()}
	selected, err = p.Desk.Select(r.Context(), c, verb, operator.Selection{And: and, Of: r.PostFormValue("of"), Group: strings.TrimSpace(r.PostFormValue("group")),
		Where: where, Logins: column(r, "logins"), Except: column(r, "except")}, maxMass)
	found, more := selected.Accounts, selected.More
	if do == "list" || do == "invite" {
		found = pending(found)
	}
	switch {
	case errors.Is(err, operator.ErrPopulation):
		wrong(render.AlertDeskNobody, "")
	case err != nil:
		p.failed(w, r, err)
	case len(found) == 0:
		wrong(render.AlertDeskNobody, "")
	case more && do != "list":
		wrong(render.AlertDeskTooMuch, "")
	case do != "list" && do != "count" && r.PostFormValue("left") != strings.Join(selected.Left, " "):
		p.showLists(w, r, s, http.StatusOK, nil, left) // what is done is seen once more without them
	case do == "list" || do == "count":
		p.showLists(w, r, s, http.StatusOK, nil, func(v *render.DeskLists) {
			left(v)
			v.Listed, v.Force, v.Count, v.More = true, do == "count", len(found), more || len(found) > maxListed
			for _, a := range found[:min(len(found), maxListed)] {
				v.Found = append(v.Found, render.DeskFound{URL: p.place(s, a.ID), Name: a.Name, Login: a.Login, Status: string(a.Status)})
			}
		})
	case mimeTypes[letters.Format(do)] != "":
		p.print(w, r, s, letters.Format(do), found)
	default:
		p.begin(w, r, s, c, do, found)
	}
}

func pending(found []account.Account) (out []account.Account) {
	for _, a := range found {
		if a.MayActivate() {
			out = append(out, a)
		}
	}
	return out
}

// begin starts what is done for many, and leads to its progress.
func (p *Pages) begin(w http.ResponseWriter, r *http.Request, s *session.Session, c operator.Case, do string, found []account.Account) {
	var run string
	var err error
	if do == "force" {
		run, err = p.Desk.Force(r.Context(), c, found, channels(r))
	} else {
		run, err = p.Desk.Invite(r.Context(), c, found)
	}
	switch {
	case errors.Is(err, operator.ErrCannotForce):
		p.failed(w, r, operator.DeniedScope)
		return
	case errors.Is(err, operator.ErrCannotFreeze):
		p.showLists(w, r, s, http.StatusBadRequest, &render.Alert{Key: render.AlertDeskNoFreeze, Field: "frozen"}, func(*render.DeskLists) {})
		return
	case err != nil:
		p.failed(w, r, fmt.Errorf("desk: %s: %w", do, err))
		return
	}
	http.Redirect(w, r, p.Pages.URL("/desk/run/"+run), http.StatusSeeOther)
}

func (p *Pages) run(w http.ResponseWriter, r *http.Request, s *session.Session) {
	progress, err := p.Desk.Progress(r.Context(), operator.Case{Operator: s.Account.ID}, r.PathValue("run"))
	switch {
	case errors.Is(err, operator.ErrGone):
		p.Problem(w, r, http.StatusNotFound)
	case err != nil:
		p.failed(w, r, err)
	default:
		view := render.DeskRun{Frame: render.Frame{NoDoors: true}, Total: progress.Total, Done: progress.Total - progress.Left, Frozen: progress.Frozen}
		for _, why := range operator.Skips() {
			if n := progress.Skipped[why]; n > 0 {
				view.Skipped = append(view.Skipped, render.DeskSkipped{Why: string(why), N: n})
			}
		}
		p.Pages.Render(w, r, http.StatusOK, view)
	}
}
