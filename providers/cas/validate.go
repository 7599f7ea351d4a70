package cas

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// failure is why a ticket is not accepted (CAS 3.0.3 section 2.5.3).
type failure struct{ code, description string }

const (
	codeRequest  = "INVALID_REQUEST"
	codeTicket   = "INVALID_TICKET"
	codeService  = "INVALID_SERVICE"
	codeProxy    = "UNAUTHORIZED_SERVICE_PROXY"
	codeInternal = "INTERNAL_ERROR"
)

// validate answers /cas/validate (section 2.4).
func (p *protocol) validate(w http.ResponseWriter, r *http.Request) {
	given, failed := parameters(r)
	if failed == nil {
		delete(given, "pgtUrl") // CAS 1 knows no proxies
	}
	p.answer(w, r, plainText{}, given, failed)
}

// serviceValidate answers /cas/serviceValidate and its sisters (sections 2.5,
// 2.6 and 2.8). They differ only in proxy tickets, of which there are none.
func (p *protocol) serviceValidate(w http.ResponseWriter, r *http.Request) {
	given, failed := parameters(r)
	var in format = asXML{}
	switch given["format"] {
	case "", "XML":
	case "JSON":
		in = asJSON{}
	default:
		failed = &failure{codeRequest, "The format is none of XML and JSON."}
	}
	p.answer(w, r, in, given, failed)
}

func (p *protocol) answer(w http.ResponseWriter, r *http.Request, in format, given map[string]string, failed *failure) {
	var a assertion
	if failed == nil {
		var err error
		if a, failed, err = p.redeem(r, given); err != nil {
			p.env.Logger.LogAttrs(r.Context(), slog.LevelError, "cas: a ticket could not be looked up", slog.Any("error", err))
			w.Header().Set("Retry-After", "5")
			write(w, http.StatusServiceUnavailable, in, a, &failure{codeInternal, "The ticket could not be looked up. Try again."})
			return
		}
	}
	// A refusal is a 200 as well: clients in Java see no body of a 400.
	write(w, http.StatusOK, in, a, failed)
}

// parameters reads what the ticket must not be spent for when it is wrong.
func parameters(r *http.Request) (map[string]string, *failure) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &failure{codeRequest, "The query cannot be read."}
	}
	given, err := single(values, "service", "ticket", "renew", "format", "pgtUrl")
	switch {
	case err != nil:
		return nil, &failure{codeRequest, "A parameter is given twice."}
	case given["service"] == "" || given["ticket"] == "":
		return given, &failure{codeRequest, "Both service and ticket are required."}
	}
	return given, nil
}

// redeem spends the ticket, then looks whether it was good for what is asked:
// there is one attempt, whatever its outcome (section 3.1.1). The error says
// that nothing is known.
func (p *protocol) redeem(r *http.Request, given map[string]string) (assertion, *failure, error) {
	take, err := p.tickets.Redeem(r.Context(), given["ticket"])
	if err != nil {
		return assertion{}, nil, err
	}
	switch take.Outcome {
	case store.Missing:
		p.redeemed(r, assertion{}, "unknown")
		return assertion{}, &failure{codeTicket, "The ticket is unknown or has expired."}, nil
	case store.Spent:
		p.redeemed(r, assertion{}, "spent")
		return assertion{}, &failure{codeTicket, "The ticket was used before."}, nil
	}
	a, err := assertionOf(take.Fields)
	if err != nil {
		return assertion{}, nil, err
	}
	failed := p.judge(r, a, given)
	if failed != nil {
		p.redeemed(r, a, failed.code)
		return assertion{}, failed, nil
	}
	p.redeemed(r, a, "ok")
	return a, nil, nil
}

func (p *protocol) judge(r *http.Request, a assertion, given map[string]string) *failure {
	switch {
	case !p.services.Same(a.Service, given["service"]):
		at, issued, validated := registry.Difference(a.Service, given["service"])
		p.env.Logger.LogAttrs(r.Context(), slog.LevelWarn, "cas: the ticket was issued for another service URL",
			slog.String("party", a.Party), slog.Int("same_up_to", at), slog.String("issued_for", issued), slog.String("validated_for", validated))
		return &failure{codeService, "The ticket was issued for another service."}
	case set(given["renew"]) && !a.NewLogin:
		return &failure{codeTicket, "The ticket comes from a session, and not from credentials given for it as renew demands."}
	case given["pgtUrl"] != "":
		return &failure{codeProxy, "The service may not act as a proxy."}
	}
	return nil
}

func (p *protocol) redeemed(r *http.Request, a assertion, result string) {
	p.record(r, audit.Event{Action: "ticket.redeem", Result: result, Account: a.Account, Party: a.Party})
}
