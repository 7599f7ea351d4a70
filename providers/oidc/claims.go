package oidc

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/text/language"

	"github.com/loge-idp/loge/pkg/account"
)

// reservedClaims are never given by an attribute: with them a directory could
// say whom a token is for (Zitadel CVE-2024-29892).
var reservedClaims = []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "nonce", "acr", "amr",
	"auth_time", "at_hash", "c_hash", "sid", "events", "client_id", "scope", "act", "cnf",
	"email_verified", "phone_number_verified"}

// The scopes beside those of OpenID Connect: what research and education
// federations call eduPerson and SUPANN.
const (
	scopeEduPerson = "eduperson"
	scopeSupann    = "supann"
)

var knownScopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopeAddress, oidc.ScopePhone,
	scopeEduPerson, scopeSupann, oidc.ScopeOfflineAccess}

// standard are the claims that a scope stands for: OpenID Connect Core 1.0
// section 5.4; REFEDS "OpenID Connect and eduPerson", which writes the
// attributes with underscores; SUPANN 2021 by the same way of writing. There is
// no email_verified: the address is the institution's own, but the directory
// does not say that anybody has proved to read it (requirement R54), and absent
// is understood by clients that take false for a refusal.
var standard = []struct {
	claim, scope string
	value        func(account.Account) any
}{
	{"name", oidc.ScopeProfile, one(account.ValueName)},
	{"given_name", oidc.ScopeProfile, one(account.ValueGivenName)},
	{"family_name", oidc.ScopeProfile, one(account.ValueFamilyName)},
	{"locale", oidc.ScopeProfile, locale},
	{"email", oidc.ScopeEmail, one(account.ValueMail)},
	{"phone_number", oidc.ScopePhone, one("telephoneNumber")},
	{"address", oidc.ScopeAddress, address},

	{"eduperson_affiliation", scopeEduPerson, list("eduPersonAffiliation")},
	{"eduperson_primary_affiliation", scopeEduPerson, one("eduPersonPrimaryAffiliation")},
	{"eduperson_scoped_affiliation", scopeEduPerson, list("eduPersonScopedAffiliation")},
	{"eduperson_principal_name", scopeEduPerson, one("eduPersonPrincipalName")},
	{"eduperson_unique_id", scopeEduPerson, one("eduPersonUniqueId")},
	{"eduperson_entitlement", scopeEduPerson, list("eduPersonEntitlement")},
	{"eduperson_assurance", scopeEduPerson, list("eduPersonAssurance")},
	{"eduperson_orcid", scopeEduPerson, list("eduPersonOrcid")},

	{"supann_etablissement", scopeSupann, list("supannEtablissement")},
	{"supann_entite_affectation", scopeSupann, list("supannEntiteAffectation")},
	{"supann_entite_affectation_principale", scopeSupann, one("supannEntiteAffectationPrincipale")},
	{"supann_civilite", scopeSupann, one("supannCivilite")},
	{"supann_emp_id", scopeSupann, one("supannEmpId")},
	{"supann_etu_id", scopeSupann, one("supannEtuId")},
	{"supann_etu_inscription", scopeSupann, list("supannEtuInscription")},
	{"supann_role_generique", scopeSupann, list("supannRoleGenerique")},
	{"supann_activite", scopeSupann, list("supannActivite")},
	{"supann_ref_id", scopeSupann, list("supannRefId")},
}

func one(name string) func(account.Account) any {
	return func(a account.Account) any {
		if values := a.Values(name); len(values) > 0 {
			return values[0]
		}
		return nil
	}
}

func list(name string) func(account.Account) any {
	return func(a account.Account) any {
		if values := a.Values(name); len(values) > 0 {
			return values
		}
		return nil
	}
}

func locale(a account.Account) any {
	tag, err := language.Parse(a.Language)
	if err != nil {
		return nil
	}
	return tag.String()
}

// address reads a postal address as directories write it: lines with dollars
// between them (RFC 4517 section 3.3.28).
func address(a account.Account) any {
	values := a.Values("postalAddress")
	if len(values) == 0 {
		return nil
	}
	return map[string]string{"formatted": strings.ReplaceAll(values[0], "$", "\n")}
}

var supportedClaims = func() []string {
	names := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid", "preferred_username"}
	for _, each := range standard {
		names = append(names, each.claim)
	}
	return names
}()

// claims returns what a client is told of an account: what the scope stands
// for, what it asked for by name, and, in keeping with every other protocol,
// the attributes that its configuration releases.
func (p *provider) claims(c *client, a account.Account, scope string, asked []string) map[string]any {
	out := p.tellable(c, a, func(each string) bool { return contains(scope, each) }, asked)
	for name, value := range c.released(a) {
		out[name] = value
	}
	return out
}

// named returns what a client asked for by name, and nothing else.
func (p *provider) named(c *client, a account.Account, asked []string) map[string]any {
	out := p.tellable(c, a, func(string) bool { return false }, asked)
	for name, value := range c.released(a) {
		if slices.Contains(asked, name) {
			out[name] = value
		}
	}
	return out
}

// tellable returns the standard claims of granted scopes and of asked names,
// of the scopes that the client may have at all.
func (p *provider) tellable(c *client, a account.Account, granted func(scope string) bool, asked []string) map[string]any {
	out := map[string]any{}
	tell := func(claim, scope string, value any) {
		if value != nil && slices.Contains(c.Scopes, scope) && (granted(scope) || slices.Contains(asked, claim)) {
			out[claim] = value
		}
	}
	for _, each := range standard {
		tell(each.claim, each.scope, each.value(a))
	}
	if name, ok := c.Username(a, p.env.Keys); ok {
		tell("preferred_username", oidc.ScopeProfile, name)
	}
	return out
}

// released are the attributes of the client's configuration. The type of a
// claim must not depend on the person.
func (c *client) released(a account.Account) map[string]any {
	out := map[string]any{}
	for _, told := range c.Release(a) {
		if told.Single {
			out[told.Name] = told.Values[0]
		} else {
			out[told.Name] = told.Values
		}
	}
	return out
}

// mayHave reports whether a claim could ever be told to the client.
func (c *client) mayHave(claim string) bool {
	for _, each := range c.Attributes {
		if each.Told() == claim {
			return true
		}
	}
	for _, each := range standard {
		if each.claim == claim {
			return slices.Contains(c.Scopes, each.scope)
		}
	}
	return claim == "preferred_username" && slices.Contains(c.Scopes, oidc.ScopeProfile)
}

// claimsRequest is the parameter claims (OpenID Connect Core 1.0 section 5.5).
type claimsRequest struct {
	Userinfo map[string]*claimRequest `json:"userinfo"`
	IDToken  map[string]*claimRequest `json:"id_token"`
}

// claimRequest is what is asked of one claim. Values are looked at for sub and
// acr only: of the others we say what is true, whatever was hoped for.
type claimRequest struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

func (c *claimRequest) accepts(value string) bool {
	if c.Value == nil && c.Values == nil {
		return true
	}
	return c.Value == any(value) || slices.Contains(c.Values, any(value))
}

// readClaims reads the parameter. What the client may not have is left out, as
// with scopes.
func (p *provider) readClaims(a *authorization, text string) *oidc.Error {
	if text == "" {
		return nil
	}
	var asked claimsRequest
	if err := json.Unmarshal([]byte(text), &asked); err != nil {
		return badRequest("claims is not what OpenID Connect Core 1.0 section 5.5 says")
	}
	names := func(of map[string]*claimRequest) []string {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(of)), func(name string) bool { return !a.client.mayHave(name) })
	}
	a.userinfoClaims, a.idClaims = names(asked.Userinfo), names(asked.IDToken)
	for _, member := range []map[string]*claimRequest{asked.IDToken, asked.Userinfo} {
		if sub := member["sub"]; sub != nil && sub.Value != nil {
			subject, _ := sub.Value.(string)
			if a.hinted.subject != "" && (a.hinted != hinted{a.client, subject}) || subject == "" {
				return badRequest("claims and id_token_hint are about different people")
			}
			a.hinted = hinted{a.client, subject}
		}
	}
	a.acr = asked.IDToken["acr"]
	return nil
}

// The authentication context classes that we can tell apart. A password over a
// protected transport is what it says, and claims no audited process.
const acrSimple = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"

var supportedACR = []string{acrSimple}

// acr is the class of an authentication by its methods (RFC 8176); empty when
// it is none that has a name.
func acr(methods []string) string {
	if slices.Contains(methods, "pwd") {
		return acrSimple
	}
	return ""
}
