package web

import "net/http"

// Again serves another route of this Mux within the same request: the way
// back to whoever asked for something, without a trip by way of the browser.
// The URL's path is below the issuer. The request keeps its reference and is
// logged once.
func (m *Mux) Again(w http.ResponseWriter, r *http.Request) {
	u := *r.URL
	u.Path, u.RawPath = m.base+u.Path, ""
	r.URL = &u
	m.routes.ServeHTTP(w, r)
}
