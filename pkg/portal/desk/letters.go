package desk

import (
	"bytes"
	"cmp"
	"net/http"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// maxLetters is how many are printed within a request; the command
// `loge letters` knows no such bound.
const maxLetters = 500

// print answers with the letters. They are made before anything is written, so
// that an answer is whole or a page that says why not.
func (p *Pages) print(w http.ResponseWriter, r *http.Request, s *session.Session, do string, found []account.Account) {
	if p.Press == nil {
		p.failed(w, r, operator.DeniedScope)
		return
	}
	order := letters.Order{By: s.Account.ID, Address: web.ClientAddr(r).String()}
	for _, a := range found {
		order.To = append(order.To, letters.To(a, cmp.Or(append(p.Desk.Groups, "")...)))
	}
	order.Format, order.PerPage = letters.Format(do), perPage(r)
	var out bytes.Buffer
	if _, err := p.Press.Print(r.Context(), &out, order); err != nil {
		p.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `attachment; filename="letters.`+do+`"`)
	_, _ = out.WriteTo(w) // the browser has gone: nobody is left to tell
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
