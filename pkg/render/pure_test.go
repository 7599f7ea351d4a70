package render_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/render"
)

func TestHours(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := render.ParseSchedule(render.Hours{"mon-thu": "09:00-12:00 13:30-18:00", "fri": "09:00-12:00"},
		[]string{"2026-11-11", "2026-12-21/2027-01-03"})
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		instant, err := time.ParseInLocation("2006-01-02 15:04", text, paris)
		if err != nil {
			t.Fatal(err)
		}
		return instant
	}
	for _, c := range []struct {
		name, now string
		open      bool
		change    string
	}{
		{"a morning", "2026-09-15 10:42", true, "2026-09-15 12:00"},
		{"the minute it opens", "2026-09-15 09:00", true, "2026-09-15 12:00"},
		{"the minute it closes", "2026-09-15 12:00", false, "2026-09-15 13:30"},
		{"before it opens", "2026-09-15 07:00", false, "2026-09-15 09:00"},
		{"an evening", "2026-09-15 18:00", false, "2026-09-16 09:00"},
		{"Friday noon: until Monday", "2026-09-18 12:30", false, "2026-09-21 09:00"},
		{"the eve of a holiday", "2026-11-10 19:00", false, "2026-11-12 09:00"},
		{"a holiday", "2026-11-11 10:00", false, "2026-11-12 09:00"},
		{"a long closing", "2026-12-24 10:00", false, "2027-01-04 09:00"},
		{"over the change of the clocks", "2026-10-23 20:00", false, "2026-10-26 09:00"},
	} {
		want := render.Opening{Open: c.open, Change: at(c.change)}
		if diff := cmp.Diff(want, schedule.At(at(c.now))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	never, err := render.ParseSchedule(nil, nil)
	if err != nil || never.At(at("2026-09-15 10:42")) != (render.Opening{}) {
		t.Error("a desk without hours opens")
	}
	weekend, err := render.ParseSchedule(render.Hours{"sat-sun": "10:00-11:00"}, nil)
	if err != nil || !weekend.At(at("2026-09-20 10:30")).Open { // a Sunday: the range passes the end of the week
		t.Errorf("sat-sun is closed on Sunday: %v", err)
	}
	for _, wrong := range []render.Hours{{"lun": "09:00-10:00"}, {"mon": "10:00-09:00"}, {"mon": "09:00"}, {"mon": "09:00-12:00 11:00-13:00"},
		{"mon-wed": "09:00-10:00", "tue": "09:00-10:00"}, {"mon": "25:00-26:00"}} {
		if _, err := render.ParseSchedule(wrong, nil); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
	for _, wrong := range []string{"11-11", "2026-12-24/2026-12-20", "2026-02-30"} {
		if _, err := render.ParseSchedule(nil, []string{wrong}); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}

func TestHelpdeskHoursInWords(t *testing.T) {
	for _, c := range []struct{ now, fr, en string }{
		{"2026-09-15T08:42:00Z", "jusqu’à 18\u00a0h<", "until 18:00<"},
		{"2026-09-15T05:00:00Z", "ouvre à 9\u00a0h<", "opens at 09:00<"},
		{"2026-09-15T17:00:00Z", "rouvre demain à 9\u00a0h<", "opens tomorrow at 09:00<"},
		{"2026-09-18T17:00:00Z", "rouvre lundi à 9\u00a0h<", "opens on Monday at 09:00<"},
		{"2026-12-22T09:00:00Z", "rouvre le 4\u00a0janvier 2027 à 9\u00a0h<", "opens on 4\u00a0January 2027 at 09:00<"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		pages, err := render.Open(render.Config{Site: valmont, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for lang, want := range map[string]string{"fr": c.fr, "en": c.en} {
			if body := get(pages, lang, 200, render.Login{}).Body.String(); !strings.Contains(body, "</a>, "+want) {
				t.Errorf("%s %s: no %q", c.now, lang, want)
			}
		}
	}
}

func TestReadableColours(t *testing.T) {
	light, dark := render.Colour{R: 0xf7, G: 0xf5, B: 0xf1}, render.Colour{R: 0x1f, G: 0x25, B: 0x2b}
	for _, text := range []string{"#1f5a52", "#ffff00", "#ffffff", "#000000", "#e2001a", "#0055a4", "#00ff00", "#808080"} {
		colour, err := render.ParseColour(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, ground := range []render.Colour{light, dark} {
			got := render.Readable(colour, ground)
			if render.Contrast(got, ground) < 4.5 {
				t.Errorf("%s on %s: %s has only %.2f:1", text, ground, got, render.Contrast(got, ground))
			}
			if render.Contrast(colour, ground) >= 4.5 && got != colour {
				t.Errorf("%s on %s is readable and became %s", text, ground, got)
			}
			if render.Contrast(colour, ground) < 4.5 && render.Contrast(got, ground) > 4.8 {
				t.Errorf("%s on %s: %s is not the nearest: %.2f:1", text, ground, got, render.Contrast(got, ground))
			}
		}
	}
	if got := render.Contrast(render.Colour{}, render.Colour{R: 255, G: 255, B: 255}); got != 21 {
		t.Errorf("black on white: %v", got)
	}
	for _, wrong := range []string{"", "#", "#fff", "1f5a52", "#1f5a5g", "#1f5a521"} {
		if _, err := render.ParseColour(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}
