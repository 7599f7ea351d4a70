package portal

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/session"
)

// What is known here of a person, as they take it along (GDPR article 20). The
// names are for people; the records themselves have others, and secrets beside.
type (
	copyOf struct {
		At        time.Time        `json:"at"`
		Account   copiedAccount    `json:"account"`
		Sessions  []copiedSession  `json:"sessions"`
		SignIns   []copiedSignIn   `json:"signIns"`
		Consents  []copiedConsent  `json:"consents,omitempty"`
		Events    []copiedEvent    `json:"events,omitempty"`
		Extension *copiedExtension `json:"extension,omitempty"`
	}
	copiedAccount struct {
		ID          account.ID          `json:"id"`
		Login       string              `json:"login"`
		Logins      []string            `json:"logins"`
		Name        string              `json:"name"`
		GivenName   string              `json:"givenName,omitempty"`
		FamilyName  string              `json:"familyName,omitempty"`
		BirthName   string              `json:"birthName,omitempty"`
		Birth       account.Date        `json:"birth,omitzero"`
		Mail        string              `json:"mail,omitempty"`
		Language    string              `json:"language,omitempty"`
		Status      account.Status      `json:"status"`
		Ends        time.Time           `json:"ends,omitzero"`
		PasswordSet time.Time           `json:"passwordSet,omitzero"`
		Contacts    []copiedContact     `json:"contacts,omitempty"`
		Attributes  map[string][]string `json:"attributes,omitempty"`
	}
	copiedContact struct {
		Kind   account.ContactKind `json:"kind"`
		Value  string              `json:"value"`
		Label  string              `json:"label"`
		Frozen bool                `json:"frozen,omitempty"`
	}
	copiedSession struct {
		Device       string       `json:"device,omitempty"`
		Network      string       `json:"network"`
		Began        time.Time    `json:"began,omitzero"`
		Seen         time.Time    `json:"seen"`
		LongTerm     bool         `json:"longTerm"`
		Applications []copiedName `json:"applications,omitempty"`
	}
	copiedName struct {
		Name string    `json:"name"`
		At   time.Time `json:"at"`
	}
	copiedSignIn struct {
		At      time.Time `json:"at"`
		Device  string    `json:"device,omitempty"`
		Network string    `json:"network,omitempty"`
		Party   string    `json:"application,omitempty"`
	}
	copiedConsent struct {
		Client string    `json:"client"`
		Name   string    `json:"application"`
		Told   []string  `json:"told"`
		At     time.Time `json:"at"`
	}
	copiedEvent struct {
		ID      string           `json:"-"`
		At      time.Time        `json:"at"`
		Purpose recovery.Purpose `json:"purpose,omitempty"`
		Method  string           `json:"method,omitempty"`
		To      string           `json:"to,omitempty"`
		Result  string           `json:"result"`
		By      account.ID       `json:"-"` // somebody else
		Fate    recovery.Fate    `json:"fate,omitempty"`
	}
	copiedExtension struct {
		Account account.ID `json:"-"`
		At      time.Time  `json:"at"`
		Months  int        `json:"months"`
		Why     string     `json:"why"`
	}
)

// download gives people what is known of them here: the entry as it is read, and
// all that the store keeps under their account.
func (p *Portal) download(w http.ResponseWriter, r *http.Request, s *session.Session) {
	c, err := p.copy(r, s)
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="loge.json"`)
	_, _ = w.Write(text) // the browser has gone: nobody is left to tell
}

func (p *Portal) copy(r *http.Request, s *session.Session) (c copyOf, err error) {
	ctx, id := r.Context(), s.Account.ID
	c = copyOf{At: p.now(), Account: copyAccount(s.Account)}
	open, err := p.Sessions.List(ctx, id)
	if err != nil {
		return c, err
	}
	for _, each := range open {
		c.Sessions = append(c.Sessions, copySession(each))
	}
	signIns, err := p.Login.SignIns(ctx, id)
	if err != nil {
		return c, err
	}
	for _, each := range signIns {
		c.SignIns = append(c.SignIns, copiedSignIn(each))
	}
	for _, each := range p.Consenters {
		given, err := each.Consents(ctx, id)
		if err != nil {
			return c, err
		}
		for _, one := range given {
			c.Consents = append(c.Consents, copiedConsent(one))
		}
	}
	if p.Recovery != nil {
		events, err := p.Recovery.Events(ctx, id)
		if err != nil {
			return c, err
		}
		for _, each := range events {
			c.Events = append(c.Events, copiedEvent(each))
		}
	}
	if p.Extensions != nil {
		asked, pending, err := p.Extensions.Of(ctx, id)
		if err != nil {
			return c, err
		}
		if pending {
			extension := copiedExtension(asked)
			c.Extension = &extension
		}
	}
	return c, nil
}

func copyAccount(a account.Account) copiedAccount {
	c := copiedAccount{ID: a.ID, Login: a.Login, Logins: a.Logins, Name: a.Name, GivenName: a.GivenName, FamilyName: a.FamilyName, BirthName: a.BirthName,
		Birth: a.Birth, Mail: a.Mail, Language: a.Language, Status: a.Status, Ends: a.Ends, PasswordSet: a.PasswordSet, Attributes: map[string][]string{}}
	for _, each := range a.Contacts {
		c.Contacts = append(c.Contacts, copiedContact(each))
	}
	for name, values := range a.Attributes {
		// The answer to a secret question can be guessed from what it is compared with.
		c.Attributes[name] = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return strings.Contains(v, "$argon2id$") })
	}
	return c
}

func copySession(s session.Live) copiedSession {
	c := copiedSession{Device: s.Device, Network: s.Network, Began: s.Began, Seen: s.Seen, LongTerm: s.LongTerm}
	for _, visit := range s.Visits {
		c.Applications = append(c.Applications, copiedName{cmp.Or(visit.Name, visit.Party), time.Unix(visit.At, 0).UTC()})
	}
	return c
}
