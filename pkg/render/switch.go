package render

import (
	"context"
	"net/http"
)

// choice is the language of a request, and whether the person has just chosen
// it on the page.
type choice struct {
	tag   string
	fresh bool
}

type choiceKey struct{}

// WithLanguage returns the request with its language settled, for a handler
// that goes on to serve another URL with it: what the person chose in the form
// would be lost on the way.
func (p *Pages) WithLanguage(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), choiceKey{}, p.choose(r)))
}
