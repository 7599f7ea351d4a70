package cas

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// failure is why a request is not granted (CAS 3.0.3 sections 2.5.3 and 2.7.3).
type failure struct{ code, description string }

const (
	codeRequest     = "INVALID_REQUEST"
	codeTicket      = "INVALID_TICKET"
	codeTicketSpec  = "INVALID_TICKET_SPEC"
	codeService     = "INVALID_SERVICE"
	codeMayNotProxy = "UNAUTHORIZED_SERVICE_PROXY"
	codeCallback    = "INVALID_PROXY_CALLBACK"
	codeMayNotEnter = "UNAUTHORIZED_SERVICE"
	codeInternal    = "INTERNAL_ERROR"
)

// tickets are those that an endpoint takes.
type tickets bool

const (
	onlyIssued  tickets = false
	alsoProxied tickets = true
)

// validate answers /cas/validate (section 2.4).
func (p *protocol) validate(w http.ResponseWriter, r *http.Request) {
	given, failed := parameters(r)
	delete(given, "pgtUrl") // CAS 1 knows no proxies
	p.answer(w, r, plainText{}, onlyIssued, given, failed)
}

// serviceValidate answers /cas/serviceValidate and its sisters (sections 2.5,
// 2.6 and 2.8).
func (p *protocol) serviceValidate(takes tickets) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, failed := parameters(r)
		in, unknown := formatOf(given["format"], ofValidation)
		if unknown != nil {
			failed = unknown
		}
		p.answer(w, r, in, takes, given, failed)
	}
}

// parameters reads what the ticket must not be spent for when it is wrong.
func parameters(r *http.Request) (map[string]string, *failure) {
	given, failed := read(r, "service", "ticket", "renew", "format", "pgtUrl")
	if failed == nil && (given["service"] == "" || given["ticket"] == "") {
		failed = &failure{codeRequest, "Both service and ticket are required."}
	}
	return given, failed
}

// read takes the parameters of a program's request, from its query and from a
// posted form.
func read(r *http.Request, names ...string) (map[string]string, *failure) {
	if r.Method == http.MethodHead { // nobody would see the answer to what it spends
		return nil, &failure{codeRequest, "HEAD asks for nothing."}
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		err = r.ParseForm()
	}
	if err != nil {
		return nil, &failure{codeRequest, "The parameters cannot be read."}
	}
	for name, more := range r.PostForm {
		values[name] = append(values[name], more...)
	}
	given, err := single(values, names...)
	if err != nil {
		return nil, &failure{codeRequest, "A parameter is given twice."}
	}
	return given, nil
}

// answer redeems the ticket and tells what became of it.
func (p *protocol) answer(w http.ResponseWriter, r *http.Request, in format, takes tickets, given map[string]string, failed *failure) {
	var a assertion
	var iou string
	if failed == nil {
		var err error
		if a, iou, failed, err = p.redeem(r, takes, given); err != nil {
			p.unavailable(w, r, in, err)
			return
		}
	}
	write(w, http.StatusOK, in, func(out *bytes.Buffer) {
		if failed != nil {
			in.failure(out, *failed)
			return
		}
		in.success(out, a, iou)
	})
}

// unavailable says that nothing is known.
func (p *protocol) unavailable(w http.ResponseWriter, r *http.Request, in format, err error) {
	p.env.Logger.LogAttrs(r.Context(), slog.LevelError, "cas: a ticket could not be looked up", slog.Any("error", err))
	w.Header().Set("Retry-After", "5")
	write(w, http.StatusServiceUnavailable, in, func(out *bytes.Buffer) {
		in.failure(out, failure{codeInternal, "The ticket could not be looked up. Try again."})
	})
}

// redeem spends the ticket, then looks whether it was good for what is asked:
// there is one attempt, whatever its outcome (section 3.1.1). The error says
// that nothing is known.
func (p *protocol) redeem(r *http.Request, takes tickets, given map[string]string) (a assertion, iou string, failed *failure, err error) {
	book, isProxied := p.issued, strings.HasPrefix(given["ticket"], p.proxies.Prefix)
	if isProxied {
		book = p.proxies
	}
	take, err := book.Redeem(r.Context(), given["ticket"])
	if err != nil {
		return a, "", nil, err
	}
	if take.Outcome != store.Missing {
		if a, err = assertionOf(take.Fields); err != nil {
			return a, "", nil, err
		}
	}
	switch {
	case isProxied && takes != alsoProxied:
		failed = &failure{codeTicketSpec, "This is a proxy ticket: it is good at proxyValidate only."}
	case take.Outcome == store.Missing:
		failed = &failure{codeTicket, "The ticket is unknown or has expired."}
	case take.Outcome == store.Spent:
		failed = &failure{codeTicket, "The ticket was used before."}
	default:
		failed = p.judge(r, a, given)
	}
	if failed == nil && given["pgtUrl"] != "" {
		key, _ := book.Key(given["ticket"])
		iou, failed, err = p.grant(r, a, store.Key{Tag: key.Tag, Name: a.Session}, given["pgtUrl"])
	}
	if err != nil {
		return a, "", nil, err
	}
	result := "ok"
	if failed != nil {
		result = failed.code
	}
	p.record(r, audit.Event{Action: "ticket.redeem", Result: result, Account: a.Account, Party: a.Party})
	return a, iou, failed, nil
}

func (p *protocol) judge(r *http.Request, a assertion, given map[string]string) *failure {
	switch {
	case !p.services.Same(a.Service, given["service"]):
		at, issued, validated := p.services.Difference(a.Service, given["service"])
		p.env.Logger.LogAttrs(r.Context(), slog.LevelWarn, "cas: the ticket was issued for another service URL",
			slog.String("party", a.Party), slog.String("issued_for", registry.Shown(a.Service)), slog.String("validated_for", registry.Shown(given["service"])),
			slog.Int("same_up_to", at), slog.String("then", issued), slog.String("instead", validated))
		return &failure{codeService, "The ticket was issued for another service."}
	case set(given["renew"]) && !a.NewLogin:
		return &failure{codeTicket, "The ticket comes from a session, and not from credentials given for it as renew demands."}
	}
	return nil
}
