package web

import (
	"net/http"
	"time"
)

// Cookies sets and reads cookies that no other host, path or script can touch:
// HttpOnly, SameSite=Lax, Path=/, and over https Secure with the prefix
// __Host- (RFC 6265bis section 4.1.3.2). Browsers refuse that prefix without
// Secure, so plain http on a loopback address uses plain names.
type Cookies struct {
	// Secure is whether the issuer is https.
	Secure bool
}

// CookiesFor returns the Cookies of an issuer that ParseIssuer accepts.
func CookiesFor(issuer string) (Cookies, error) {
	u, err := ParseIssuer(issuer)
	if err != nil {
		return Cookies{}, err
	}
	return Cookies{Secure: u.Scheme == "https"}, nil
}

// Name is the full name of a cookie, for libraries that set their own.
func (c Cookies) Name(name string) string {
	if c.Secure {
		return "__Host-" + name
	}
	return name
}

// Set sends a cookie. A maxAge of zero lasts until the browser is closed.
func (c Cookies) Set(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	http.SetCookie(w, c.cookie(name, value, int(maxAge/time.Second)))
}

// Delete removes a cookie.
func (c Cookies) Delete(w http.ResponseWriter, name string) {
	http.SetCookie(w, c.cookie(name, "", -1))
}

func (c Cookies) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: c.Name(name), Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// Get returns the value of a cookie, or "" when there is none. Two cookies of
// one name are none: over plain http another application on the same host can
// plant a second one, and which comes first is its choice.
func (c Cookies) Get(r *http.Request, name string) string {
	found := r.CookiesNamed(c.Name(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}
