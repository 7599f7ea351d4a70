package render

import (
	"context"
	"net/http"
)

type chosenKey struct{}

// WithLanguage returns the request with its language settled, for a handler
// that goes on to serve another URL with it: what the person chose in the form
// would be lost on the way.
func (p *Pages) WithLanguage(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), chosenKey{}, p.Language(r)))
}
