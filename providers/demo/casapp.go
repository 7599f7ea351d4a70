package demo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// casApp is an application that signs people in by CAS 3.0, as one writes it
// by hand: a redirect, a request and some XML.
type casApp struct {
	apps     Apps
	client   *http.Client
	visitors visitors
}

func (c *casApp) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+appPath+"{$}", c.home)
	mux.HandleFunc("GET "+appPath+"login", c.login)
	mux.HandleFunc("GET "+appPath+"ticket", c.ticket)
	mux.HandleFunc("POST "+appPath+"ticket", c.ended)
	mux.HandleFunc("POST "+appPath+"logout", c.logout)
}

func (c *casApp) service() string { return c.apps.URL + appPath + "ticket" }

func (c *casApp) home(w http.ResponseWriter, r *http.Request) {
	view := page{Apps: c.apps}
	if who, ok := c.visitors.of(r); ok {
		view.Visitor = &who
	}
	view.write(w, r, http.StatusOK)
}

func (c *casApp) login(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, c.apps.Issuer+"/cas/login?"+url.Values{"service": {c.service()}}.Encode(), http.StatusSeeOther)
}

func (c *casApp) ticket(w http.ResponseWriter, r *http.Request) {
	who, err := c.validate(r)
	if err != nil {
		page{Apps: c.apps, Problem: err}.write(w, r, http.StatusBadRequest)
		return
	}
	c.visitors.enter(w, who)
	http.Redirect(w, r, appPath, http.StatusSeeOther)
}

// validate redeems the ticket (CAS 3.0.3 section 2.5).
func (c *casApp) validate(r *http.Request) (visitor, error) {
	ticket := r.FormValue("ticket")
	query := url.Values{"service": {c.service()}, "ticket": {ticket}}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, c.apps.Issuer+"/cas/p3/serviceValidate?"+query.Encode(), nil)
	if err != nil {
		return visitor{}, err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return visitor{}, errors.New("the server does not answer")
	}
	defer answer.Body.Close()
	var response struct {
		Success *struct {
			User       string `xml:"user"`
			Attributes struct {
				All []struct {
					XMLName xml.Name
					Value   string `xml:",chardata"`
				} `xml:",any"`
			} `xml:"attributes"`
		} `xml:"authenticationSuccess"`
		Failure struct {
			Code string `xml:"code,attr"`
		} `xml:"authenticationFailure"`
	}
	if err := xml.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&response); err != nil {
		return visitor{}, err
	}
	if response.Success == nil {
		return visitor{}, fmt.Errorf("the ticket was refused: %s", response.Failure.Code)
	}
	who := visitor{Name: response.Success.User, end: ticket, Facts: []fact{{"user", response.Success.User}}}
	for _, a := range response.Success.Attributes.All {
		who.Facts = append(who.Facts, fact{a.XMLName.Local, a.Value})
		if a.XMLName.Local == "displayName" {
			who.Name = a.Value
		}
	}
	slices.SortStableFunc(who.Facts, func(a, b fact) int { return strings.Compare(a.Name, b.Name) })
	return who, nil
}

// ended is told by the server, at the service URL, that the session of a
// ticket has ended (CAS 3.0.3 section 2.3.3). That a ticket was issued only
// this application and the server know.
func (c *casApp) ended(_ http.ResponseWriter, r *http.Request) {
	var request struct {
		SessionIndex string
	}
	if xml.Unmarshal([]byte(r.PostFormValue("logoutRequest")), &request) == nil {
		c.visitors.ended(strings.TrimSpace(request.SessionIndex))
	}
}

// logout ends the visit here and then the session at the server.
func (c *casApp) logout(w http.ResponseWriter, r *http.Request) {
	c.visitors.leave(w, r)
	http.Redirect(w, r, c.apps.Issuer+"/cas/logout?"+url.Values{"service": {c.apps.URL + appPath}}.Encode(), http.StatusSeeOther)
}
