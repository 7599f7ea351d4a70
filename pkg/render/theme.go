package render

import (
	"fmt"
	htmltemplate "html/template"
	"maps"
	"regexp"
	"slices"
)

// Theme is another face of the same house for some applications: the school
// within the university whose application it is.
type Theme struct {
	// Name takes the place of the site's; left out, the site's stays.
	Name Text `json:"name"`
	// Key and Brass are as of Site.
	Key   string `json:"key"`
	Brass string `json:"brass"`
}

// themeName is what may stand in the name of a file.
var themeName = regexp.MustCompile(`^[a-z0-9-]+$`)

// face is a theme, checked, or the site itself.
type face struct {
	name       Text
	key, brass Colour
	css        string // the colours, as a block of custom properties
	icon       htmltemplate.URL
}

// face reads the two colours of a place.
func (t Theme) face() (face, error) {
	f := face{name: t.Name, key: defaultKey, brass: defaultBrass}
	for place, colour := range map[string]struct {
		text string
		into *Colour
	}{"key": {t.Key, &f.key}, "brass": {t.Brass, &f.brass}} {
		if colour.text == "" {
			continue
		}
		var err error
		if *colour.into, err = ParseColour(colour.text); err != nil {
			return f, fmt.Errorf("%s: %w", place, err)
		}
	}
	f.css, f.icon = palette(t, f.key, f.brass), favicon(f.key, f.brass)
	return f, nil
}

// faces are those of all themes by name, and the site's own by the empty name.
func (s Site) faces() (map[string]face, error) {
	own, err := Theme{s.Name, s.Key, s.Brass}.face()
	if err != nil {
		return nil, err
	}
	if len(own.name) == 0 {
		own.name = Text{"": "Loge"}
	}
	all := map[string]face{"": own}
	for _, name := range slices.Sorted(maps.Keys(s.Themes)) {
		theme := s.Themes[name]
		if !themeName.MatchString(name) {
			return nil, fmt.Errorf("themes: %q: the name of a theme is of small letters, digits and hyphens", name)
		}
		if theme.Key == "" {
			theme.Key = s.Key
		}
		if theme.Brass == "" {
			theme.Brass = s.Brass
		}
		f, err := theme.face()
		if err != nil {
			return nil, fmt.Errorf("themes.%s.%w", name, err)
		}
		if len(f.name) == 0 {
			f.name = own.name
		}
		all[name] = f
	}
	return all, nil
}

// Themed reports whether the site has a theme of this name; it has the empty
// one.
func (p *Pages) Themed(name string) bool {
	_, ok := p.site.faces[name]
	return ok
}
