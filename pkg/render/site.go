package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // a server without the system's time zones still knows Paris
)

// Site is whose house this is: what a place says about itself on every page
// and in every mail. The zero value is a place called Loge without a helpdesk.
type Site struct {
	Name Text `json:"name"`
	// Account is how people call their account, to finish the sentence "Avec
	// votre compte …": "de l’université".
	Account Text `json:"account"`
	// LoginExample is a login as people know theirs: "elefevre".
	LoginExample string `json:"loginExample"`
	// Key and Brass are the two colours of the place, #rrggbb: of buttons and
	// links, and of the one line. Where one would be hard to read, the nearest
	// that is readable takes its place.
	Key   string `json:"key"`
	Brass string `json:"brass"`
	// Themes are other faces by the name that applications ask for them.
	Themes map[string]Theme `json:"themes"`
	// Language is the default language; "fr" when empty.
	Language string `json:"language"`
	// Timezone is an IANA name; "Europe/Paris" when empty.
	Timezone string `json:"timezone"`
	Help     Help   `json:"help"`
	Links    Links  `json:"links"`
}

// Help is a human to reach, named at the foot of each page.
type Help struct {
	Phone string `json:"phone"`
	Mail  string `json:"mail"`
	Place Text   `json:"place"` // where the desk is: "Bâtiment A, rez-de-chaussée"
	URL   string `json:"url"`
	Hours Hours  `json:"hours"`
	// Closed are dates on which nobody answers: "2026-11-11" or
	// "2026-12-21/2027-01-03".
	Closed []string `json:"closed"`
}

// Links are pages of the place elsewhere; those that are empty are not shown.
type Links struct {
	Legal   string `json:"legal"`   // legal notice
	Privacy string `json:"privacy"` // what is done with personal data (GDPR)
	Extend  string `json:"extend"`  // the form to keep an account longer (R13)
	// Portal is where somebody goes who came without an application.
	Portal string `json:"portal"`
	// Accessible is the result of the last audit, the mention that French law
	// asks for on each page: "none", "partial" or "full" (RGAA 4.1.2); "none"
	// when empty.
	Accessible string `json:"accessible"`
}

// Text is a text of the site by language tag. In a configuration it is one
// text for all languages, or an object {"fr": …, "en": …}.
type Text map[string]string

// UnmarshalJSON reads a text or an object of texts.
func (t *Text) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = Text{"": one}
		return nil
	}
	var each map[string]string
	if json.Unmarshal(b, &each) != nil {
		return errors.New(`must be a text, or an object like {"fr": "…", "en": "…"}`)
	}
	*t = each
	return nil
}

// In is the text in a language: that of the language, or else the one for all
// languages, or else the French, or else any.
func (t Text) In(lang string) string {
	for _, tag := range []string{lang, "", "fr"} {
		if text, ok := t[tag]; ok {
			return text
		}
	}
	for _, text := range t {
		return text
	}
	return ""
}

// site is Site, checked.
type site struct {
	Site
	zone     *time.Location
	schedule Schedule
	faces    map[string]face // by the name of the theme; the site's own has none
}

func (s Site) check() (site, error) {
	out := site{Site: s}
	if s.Timezone == "" {
		s.Timezone = "Europe/Paris"
	}
	var err error
	if out.zone, err = time.LoadLocation(s.Timezone); err != nil {
		return out, fmt.Errorf("timezone: no time zone of this name; give one like Europe/Paris")
	}
	if out.schedule, err = ParseSchedule(s.Help.Hours, s.Help.Closed); err != nil {
		return out, fmt.Errorf("help.%w", err)
	}
	switch s.Links.Accessible {
	case "":
		out.Links.Accessible = "none"
	case "none", "partial", "full":
	default:
		return out, errors.New("links.accessible: one of none, partial, full")
	}
	if out.faces, err = s.faces(); err != nil {
		return out, err
	}
	out.Name = out.faces[""].name
	return out, nil
}

// The grounds of tokens.css, on which the site's colours must be readable, and
// its own two colours.
var (
	lightGrounds = []Colour{{0xf7, 0xf5, 0xf1}, {0xff, 0xfd, 0xf9}}
	darkGrounds  = []Colour{{0x17, 0x1b, 0x20}, {0x1f, 0x25, 0x2b}}
	defaultKey   = Colour{0x1f, 0x5a, 0x52}
	defaultBrass = Colour{0x8a, 0x64, 0x14}
)

// palette is the style sheet of the colours of a place, for the light room and
// the dark one; empty when it has none of its own.
func palette(t Theme, key, brass Colour) string {
	var light, dark string
	add := func(name string, colour Colour) {
		light += fmt.Sprintf("--%s:%s;", name, Readable(colour, lightGrounds...))
		dark += fmt.Sprintf("--%s:%s;", name, Readable(colour, darkGrounds...))
	}
	if t.Key != "" {
		add("key", key)
	}
	if t.Brass != "" {
		add("brass", brass)
	}
	if light == "" {
		return ""
	}
	return ":root{" + light + "}@media (prefers-color-scheme:dark){:root{" + dark + "}}\n"
}
