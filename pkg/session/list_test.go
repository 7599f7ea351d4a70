package session_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/session"
)

const firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"

// at signs alice in from a device, and returns the cookie.
func (w *world) at(agent string) string {
	r := request("")
	r.Header.Set("User-Agent", agent)
	s, err := w.Start(r, alice, false, "pwd")
	if err != nil {
		w.t.Fatal(err)
	}
	w.Visit(s, "moodle", session.Visit{Protocol: "cas", Party: "Moodle"})
	return w.commit(s).Value
}

// The owner sees what is open, and ends one or all others; nobody ends what is
// somebody else's (R-SESS-05).
func TestList(t *testing.T) {
	w := open(t)
	desk := w.at(firefox)
	w.clock.Advance(5 * time.Minute)
	phone := w.at("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	other := w.signIn("", bob, false).Value

	list, err := w.List(t.Context(), alice.ID)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	if list[0].Device != "Safari, iPhone" || list[1].Device != "Firefox, Windows" || list[1].Visits[0].Party != "Moodle" || !list[0].Began.Equal(list[1].Began.Add(5*time.Minute)) {
		t.Errorf("%+v", list)
	}
	if err := w.EndOne(t.Context(), bob.ID, list[0].SID); err != nil {
		t.Fatal(err)
	}
	if w.current(phone) == nil {
		t.Error("bob ended a session of alice")
	}
	if err := w.EndOne(t.Context(), alice.ID, list[0].SID); err != nil {
		t.Fatal(err)
	}
	if w.current(phone) != nil || w.current(desk) == nil {
		t.Error("not the one that was meant has ended")
	}
	third := w.at("")
	if err := w.EndOthers(t.Context(), alice.ID, w.Under(w.current(desk))); err != nil {
		t.Fatal(err)
	}
	if w.current(third) != nil || w.current(desk) == nil || w.current(other) == nil {
		t.Error("others: wrong ones have ended")
	}
	if list, err := w.List(t.Context(), alice.ID); err != nil || len(list) != 1 || list[0].Device != "Firefox, Windows" {
		t.Errorf("left: %v, %v", list, err)
	}
}

// Only words that the owner recognises are kept of a browser's name.
func TestDevice(t *testing.T) {
	w := open(t)
	for agent, want := range map[string]string{
		firefox: "Firefox, Windows",
		"Mozilla/5.0 (Linux; Android 15; SM-X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36":     "Chrome, Android",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130 Safari/537 Edg/130": "Edge, Mac",
		"curl/8": "", http.CanonicalHeaderKey("<script>"): "",
	} {
		w.at(agent)
		list, err := w.List(t.Context(), alice.ID)
		if err != nil || len(list) != 1 || list[0].Device != want {
			t.Errorf("%s: %v, %v", agent, list, err)
		}
		if err := w.EndAll(t.Context(), alice.ID); err != nil {
			t.Fatal(err)
		}
	}
}
