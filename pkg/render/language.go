package render

import (
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

const (
	languageParam  = "lang"
	languageCookie = "loge-lang"
	// What a request says about languages is read up to these limits, then
	// the default is taken (R-WEB-19).
	maxLanguageBytes = 200
	maxLanguageTags  = 10
)

// SwitchesLanguage reports whether a posted form only asks for the same page
// in another language: the handler shows it again with what was typed and does
// nothing else.
func SwitchesLanguage(r *http.Request) bool {
	return r.Method == http.MethodPost && r.PostFormValue(languageParam) != ""
}

// Language is the language of a request, one of catalog.Languages: the
// person's own choice (parameter lang, then the cookie that remembers it),
// what the application asked for (OIDC ui_locales, CAS locale), what the
// browser asks for, the default.
func (p *Pages) Language(r *http.Request) string { return p.choose(r).tag }

func (p *Pages) choose(r *http.Request) choice {
	if settled, ok := r.Context().Value(choiceKey{}).(choice); ok {
		return settled
	}
	if tag, ok := p.catalog.match(wishes(r.FormValue(languageParam))); ok {
		return choice{tag, true}
	}
	var sources []string
	if cookie, err := r.Cookie(languageCookie); err == nil {
		sources = append(sources, cookie.Value)
	}
	sources = append(sources, r.FormValue("ui_locales"), r.FormValue("locale"))
	for _, source := range sources {
		if tag, ok := p.catalog.match(wishes(source)); ok {
			return choice{tag: tag}
		}
	}
	return choice{tag: p.catalog.accept(limited(r.Header.Get("Accept-Language")))}
}

// wishes are the tags of a list as in ui_locales: separated by spaces.
func wishes(list string) []string {
	tags := strings.Fields(limited(list))
	return tags[:min(len(tags), maxLanguageTags)]
}

func limited(value string) string {
	if len(value) > maxLanguageBytes {
		return ""
	}
	return value
}

// Match is the language to write to somebody in whose language is known as a
// BCP 47 tag, perhaps empty.
func (c *catalog) Match(tag string) string {
	found, ok := c.match(wishes(tag))
	if !ok {
		return c.tags[0]
	}
	return found
}

func (c *catalog) match(wishes []string) (string, bool) {
	var tags []language.Tag
	for _, wish := range wishes {
		if tag, err := language.Parse(wish); err == nil {
			tags = append(tags, tag)
		}
	}
	_, index, confidence := c.matcher.Match(tags...)
	return c.tags[index], confidence > language.No
}

func (c *catalog) accept(header string) string {
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		tags = nil
	}
	_, index, _ := c.matcher.Match(tags...)
	return c.tags[index]
}
