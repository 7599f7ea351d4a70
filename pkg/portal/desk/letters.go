package desk

import (
	"bufio"
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

const (
	// held is how much of a printing waits, in bytes, so that a fault in a
	// class's letters is a page that says so.
	held = 1 << 20
	// stalled is how long a printing may stand still.
	stalled = 30 * time.Second
)

// mimeTypes are those of what is printed.
var mimeTypes = map[letters.Format]string{letters.PDF: "application/pdf", letters.HTML: "text/html; charset=utf-8", letters.CSV: "text/csv; charset=utf-8"}

// print answers with the letters, while they are made: those of a whole town take
// no more memory than a class's. When something goes wrong the codes end, and
// what has left already is cut, so that a browser keeps no part of it.
func (p *Pages) print(w http.ResponseWriter, r *http.Request, s *session.Session, format letters.Format, found []account.Account) {
	if p.Press == nil {
		p.failed(w, r, operator.DeniedScope)
		return
	}
	control := http.NewResponseController(w)
	order := letters.Order{By: s.Account.ID, Address: web.ClientAddr(r).String(), Format: format, PerPage: perPage(r), Reset: r.PostFormValue("reset") != "" && p.Press.Resets(),
		// Nobody sets a deadline in tests, where there is no connection.
		Progress: func() { _ = control.SetWriteDeadline(time.Now().Add(stalled)) }}
	_, population, _ := strings.Cut(r.PostFormValue("of"), "|")
	for _, a := range found {
		order.To = append(order.To, letters.To(a, cmp.Or(append(p.Desk.Groups, "")...), strings.TrimSpace(r.PostFormValue("group")), population))
	}
	sent := &download{ResponseWriter: w, format: format}
	batch, err := p.Press.Print(r.Context(), bufio.NewWriterSize(sent, held), order)
	switch {
	case err == nil:
	case sent.begun:
		p.Logger.LogAttrs(r.Context(), slog.LevelError, "letters cut short", slog.String("ref", web.Reference(r)), slog.String("batch", batch.Name), slog.Any("err", err))
		panic(http.ErrAbortHandler)
	case errors.Is(err, letters.ErrNobody):
		p.showLists(w, r, s, http.StatusBadRequest, &render.Alert{Key: render.AlertDeskNobody}, func(*render.DeskLists) {})
	case errors.Is(err, recovery.ErrBatch): // from the page of the batches
		http.Redirect(w, r, p.Pages.URL("/desk/letters"), http.StatusSeeOther)
	default:
		p.failed(w, r, err)
	}
}

// download says what it is when its first bytes leave, and not before: until then
// the answer may be a page.
type download struct {
	http.ResponseWriter
	format letters.Format
	begun  bool
}

func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.Header().Set("Content-Type", mimeTypes[d.format])
		d.Header().Set("Content-Disposition", `attachment; filename="letters.`+string(d.format)+`"`)
	}
	return d.ResponseWriter.Write(b)
}

// perPage is how many letters stand on a page; one for what is none of the
// choices.
func perPage(r *http.Request) int {
	switch r.PostFormValue("per_page") {
	case "2":
		return 2
	case "8":
		return 8
	}
	return 1
}

func (p *Pages) batches(w http.ResponseWriter, r *http.Request, s *session.Session) {
	p.showBatches(w, r, s, nil)
}

// showBatches shows what this operator printed, the last first.
func (p *Pages) showBatches(w http.ResponseWriter, r *http.Request, s *session.Session, alert *render.Alert) {
	mine, err := p.printed(r, s)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := render.DeskLetters{Frame: render.Frame{NoDoors: true, Alert: alert}}
	for _, b := range mine {
		view.Batches = append(view.Batches, render.DeskBatch{Name: b.Name, At: b.At, State: string(b.State), Total: b.Total, Done: b.Done(),
			Codes: b.Codes, Reminders: b.Reminders, Left: b.Left, Open: b.State != letters.Revoked, Sure: b.Name == r.PostFormValue("revoke")})
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

// printed are the batches of an operator who may print.
func (p *Pages) printed(r *http.Request, s *session.Session) ([]letters.Batch, error) {
	c := operator.Case{Operator: s.Account.ID, Address: web.ClientAddr(r).String()}
	op, err := p.Desk.Enter(r.Context(), c)
	if err != nil {
		return nil, err
	}
	if p.Press == nil || !p.Desk.May(op, operator.Letters) {
		return nil, operator.DeniedScope
	}
	all, err := p.Press.Batches(r.Context())
	return slices.DeleteFunc(all, func(b letters.Batch) bool { return b.By != op.ID }), err
}

// postBatches ends the codes of a batch, once the operator is sure.
func (p *Pages) postBatches(w http.ResponseWriter, r *http.Request, s *session.Session) {
	name := r.PostFormValue("sure")
	if name == "" {
		p.batches(w, r, s)
		return
	}
	mine, err := p.printed(r, s)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	if !slices.ContainsFunc(mine, func(b letters.Batch) bool { return b.Name == name }) {
		p.Problem(w, r, http.StatusNotFound)
		return
	}
	// One that was revoked before is what is wanted.
	if err := p.Press.Revoke(r.Context(), name, s.Account.ID); err != nil && !errors.Is(err, recovery.ErrBatch) {
		p.failed(w, r, err)
		return
	}
	p.showBatches(w, r, s, &render.Alert{Key: render.AlertDeskVoid, Good: true})
}
