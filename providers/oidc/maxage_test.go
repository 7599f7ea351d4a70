package oidc_test

import (
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
)

// TestOwnMaxAge is of a client whose configuration wants fresh credentials,
// whatever it asks for itself.
func TestOwnMaxAge(t *testing.T) {
	config := cast()
	config.Clients[0].MaxAge = plugin.Duration(10 * time.Minute)
	r := newWorld(t).serve(config, "")
	b := r.browser()
	b.code(params())
	r.clock.Advance(9 * time.Minute)
	if got := b.authorize(params("prompt", "none")).answer(t); !got.Has("code") {
		t.Errorf("asked again after 9 minutes: %v", got)
	}
	r.clock.Advance(2 * time.Minute)
	for _, asked := range []string{"", "86400"} {
		if got := b.authorize(params("prompt", "none", "max_age", asked)).answer(t); got.Get("error") != "login_required" {
			t.Errorf("not asked again after 11 minutes, max_age %q: %v", asked, got)
		}
	}
}
