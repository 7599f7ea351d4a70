package oidc

import (
	"crypto/subtle"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
)

// A grant is what one sign-in at one client is worth: one record from the code
// to the last refresh token. Its field "secret" holds the hash of the one text
// that is good next: first the code, then each refresh token in turn. Going on
// to the next one is a single store.Rotate, so of any number of callers
// exactly one has the code, and presenting what was used before ends the
// record and with it everything issued from it (RFC 9700 sections 2.1.1 and
// 4.14.2). Nobody can find the record of another client's grant, because its
// name holds the client.
type grant struct {
	Account     account.ID
	Subject     string // what the client knows the account by, for the life of the grant
	Scope       string // space-delimited
	RedirectURI string
	Challenge   string // of PKCE; empty without
	Nonce       string
	SID         string
	AuthTime    time.Time
	Checked     time.Time // when the account's state was last read
	Methods     []string
	// The claims that were asked for by name (OpenID Connect Core 1.0 section
	// 5.5), of those that the client may have.
	UserinfoClaims, IDClaims []string
	// Of a token exchange: who acts, the last one first; whom the token is for,
	// when not for all of the client's; when it ends.
	Actors, Audience []string
	Ends             time.Time
}

const fieldSecret = "secret"

func (g grant) fields(code string) store.Fields {
	return store.Fields{
		fieldSecret: codeHash(code), "account": string(g.Account), "sub": g.Subject, "scope": g.Scope,
		"redirect": g.RedirectURI, "challenge": g.Challenge, "nonce": g.Nonce, "sid": g.SID,
		"auth": strconv.FormatInt(g.AuthTime.Unix(), 10), "checked": strconv.FormatInt(g.Checked.Unix(), 10),
		"methods":  strings.Join(g.Methods, " "),
		"userinfo": strings.Join(g.UserinfoClaims, " "), "id": strings.Join(g.IDClaims, " "),
		"actors": strings.Join(g.Actors, " "), "audience": strings.Join(g.Audience, " "),
	}
}

func grantOf(f store.Fields) grant {
	at := func(text string) time.Time {
		n, _ := strconv.ParseInt(text, 10, 64) // we wrote it
		return time.Unix(n, 0)
	}
	return grant{
		Account: account.ID(f["account"]), Subject: f["sub"], Scope: f["scope"], RedirectURI: f["redirect"], Challenge: f["challenge"],
		Nonce: f["nonce"], SID: f["sid"], AuthTime: at(f["auth"]), Checked: at(f["checked"]), Methods: strings.Fields(f["methods"]),
		UserinfoClaims: strings.Fields(f["userinfo"]), IDClaims: strings.Fields(f["id"]),
		Actors: strings.Fields(f["actors"]), Audience: strings.Fields(f["audience"]),
	}
}

// A code is tag, name and secret, run together; a refresh token is another
// such text and, after a dot, the holder, sealed: so that the account's state
// and the scope can be looked at before the token is used up, and the client
// learns no more of the account than its subject. 11 characters of name keep grants of one
// session apart; 22 of secret make 131 random bits.
const (
	nameLen   = 11
	secretLen = 22
	codeLen   = ticket.TagLen + nameLen + secretLen
	markLen   = 11
)

// locator is the part of a code or token that says where its record is.
const locatorLen = ticket.TagLen + nameLen

// key is where a client's grant is kept.
func (c *client) key(locator string) store.Key {
	return store.Key{Tag: locator[:ticket.TagLen], Name: "oidc:" + c.mark + ":" + locator[ticket.TagLen:]}
}

// newCode makes a code whose record hangs from the session, or stands alone
// when the tag is empty.
func newCode(tag string) string {
	if tag == "" {
		tag = ticket.NewTag()
	}
	return tag + secret.Random(nameLen+secretLen)
}

// create is the operation that records a grant with its code.
func (p *provider) create(c *client, code string, under store.Key, g grant) *store.Create {
	return &store.Create{Key: c.key(code[:locatorLen]), Under: under.Name, Fields: g.fields(code),
		TTL: codeLife, Life: c.refreshLife}
}

// Code and refresh token hash differently, so that one never passes for the
// other.
func codeHash(code string) string     { return secret.Hash("code " + code) }
func refreshHash(token string) string { return secret.Hash("refresh " + token) }

// successor derives what follows a code or a refresh token. It is derived, not
// drawn, so that a repetition within the grace gets the same one although only
// hashes are kept.
func (p *provider) successor(of string) string {
	return of[:locatorLen] + p.next.Text(secretLen, of)
}

func wellFormed(code string) bool {
	return len(code) == codeLen && strings.IndexFunc(code, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z')
	}) < 0
}

// holder is what the tail of a refresh token says; it is the same for all of a
// family.
type holder struct {
	Account account.ID `json:"a"`
	Scope   string     `json:"s"`
}

func (p *provider) sealHolder(c *client, locator string, g grant) string {
	plain, err := json.Marshal(holder{g.Account, g.Scope})
	if err != nil {
		panic(err) // texts
	}
	return p.holderBox.Seal(plain, c.key(locator).Name)
}

// presented is a refresh token taken apart.
type presented struct {
	text, tail string
	holder
}

func (t presented) locator() string { return t.text[:locatorLen] }

// parseRefresh takes a client's refresh token apart, and is false for what
// cannot be one. The text may have been used up all the same.
func (p *provider) parseRefresh(c *client, token string) (t presented, ok bool) {
	t.text, t.tail, _ = strings.Cut(token, ".")
	if !wellFormed(t.text) {
		return t, false
	}
	plain, err := p.holderBox.Open(t.tail, c.key(t.locator()).Name)
	return t, err == nil && json.Unmarshal(plain, &t.holder) == nil
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
