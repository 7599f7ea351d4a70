package login_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/login"
)

// Who is signed in can see where their password was given lately, and for what:
// each place once, for thirty days, and no wrong one.
func TestSignIns(t *testing.T) {
	w := open(t)
	of := func(id account.ID) []login.SignIn {
		t.Helper()
		got, err := w.flow.SignIns(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].At = got[i].At.UTC()
		}
		return got
	}
	b, elsewhere := w.browser(), w.browser()
	elsewhere.address = "198.51.100.7:1"
	first := w.clock.Now().UTC()
	b.try(b.get("/app"), "alice", "wrong")
	b.try(b.get("/app"), "alice", "right")
	w.clock.Advance(time.Hour)
	w.want("another place", elsewhere.try(elsewhere.get("/app"), "alice", "right"), "in as alice")
	here := of("id-alice")
	if len(here) != 2 || here[0].Network == here[1].Network || !here[1].At.Equal(first) || here[0].Party != "App" {
		t.Fatalf("%+v", here)
	}
	if len(of("id-bob")) != 0 {
		t.Error("bob is told of alice")
	}
	again := w.browser()
	w.clock.Advance(24 * time.Hour)
	again.try(again.get("/app"), "alice", "right")
	want := []login.SignIn{{At: w.clock.Now().UTC(), Network: here[1].Network, Party: "App"}, here[0]}
	if diff := cmp.Diff(want, of("id-alice")); diff != "" {
		t.Errorf("the same place is not told once (-want +got):\n%s", diff)
	}
	w.clock.Advance(29*24*time.Hour + time.Minute)
	if got := of("id-alice"); len(got) != 1 || got[0].At != want[0].At {
		t.Errorf("after thirty days: %+v", got)
	}
	w.clock.Advance(24 * time.Hour)
	if got := of("id-alice"); len(got) != 0 {
		t.Errorf("still told: %+v", got)
	}
}
