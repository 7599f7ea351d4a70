package oidc

import (
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/text/language"

	"github.com/loge-idp/loge/pkg/account"
)

// reservedClaims are never given by an attribute: with them a directory could
// say whom a token is for (Zitadel CVE-2024-29892).
var reservedClaims = []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "nonce", "acr", "amr",
	"auth_time", "at_hash", "c_hash", "sid", "events", "client_id", "scope", "act", "cnf",
	"email_verified", "phone_number_verified"}

var supportedClaims = []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "sid",
	"name", "given_name", "family_name", "preferred_username", "locale", "email"}

// claims returns what a client is told of an account within a scope (OpenID
// Connect Core 1.0 section 5.4), and its released attributes. There is no
// email_verified: the address is the institution's own, but the directory does
// not say that anybody has proved to read it (requirement R54), and absent is
// understood by clients that take false for a refusal.
func (c *client) claims(a account.Account, scope string) *oidc.UserInfo {
	info := &oidc.UserInfo{Subject: string(a.ID)}
	if contains(scope, oidc.ScopeProfile) {
		info.Name, info.GivenName, info.FamilyName, info.PreferredUsername = a.Name, a.GivenName, a.FamilyName, a.Login
		if tag, err := language.Parse(a.Language); err == nil {
			info.Locale = oidc.NewLocale(tag)
		}
	}
	if contains(scope, oidc.ScopeEmail) {
		info.Email = a.Mail
	}
	for _, told := range c.Release(a) {
		// The type of a claim must not depend on the person.
		if told.Single {
			info.AppendClaims(told.Name, told.Values[0])
		} else {
			info.AppendClaims(told.Name, told.Values)
		}
	}
	return info
}
