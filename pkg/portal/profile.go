package portal

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// Field is an attribute of the directory that people may change themselves.
type Field struct {
	// Attribute is its name there: one that is read, and editable.
	Attribute string      `json:"attribute"`
	Label     render.Text `json:"label"`
	Hint      render.Text `json:"hint"`
	// Type is "text", the default, "email", "url", "phone" or "choice".
	Type string `json:"type"`
	// Choices are the values of a choice.
	Choices []Choice `json:"choices"`
	// Pattern, when set, is what the whole of a value must match.
	Pattern string `json:"pattern"`
	// Required does not let it be emptied.
	Required bool `json:"required"`
	// Several lets it have several values: one a line, or as many of the choices
	// as are wanted.
	Several bool `json:"several"`
	// Who sees the field: everybody, when it is left out.
	Who account.Condition `json:"who,omitzero"`

	pattern *regexp.Regexp
}

// Choice is one value that may be chosen.
type Choice struct {
	Value string      `json:"value"`
	Label render.Text `json:"label"`
}

// Fields are those of an account page.
type Fields []Field

// maxValue is the most characters of a value, and maxValues the most values.
const (
	maxValue  = 500
	maxValues = 50
)

var kinds = map[string]func(value string) bool{
	"":       func(string) bool { return true },
	"text":   func(string) bool { return true },
	"choice": func(string) bool { return true },
	"phone":  regexp.MustCompile(`^\+?[0-9 .()-]{4,20}$`).MatchString,
	"email": func(value string) bool {
		parsed, err := mail.ParseAddress(value)
		return err == nil && parsed.Address == value
	},
	"url": func(value string) bool {
		u, err := url.Parse(value)
		// RFC 3986 has no place for these, and whoever shows the address might not escape them.
		return err == nil && u.Scheme == "https" && u.Host != "" && !strings.ContainsAny(value, " <>\"\\^`{|}")
	},
}

// Allow lets people change these fields. An error names the key.
func (p *Portal) Allow(fields Fields) error {
	d := p.Login.Directory
	if !p.editable() && len(fields) > 0 {
		return errors.New("this directory can be changed in nothing but passwords: leave fields out")
	}
	out := slices.Clone(fields)
	reads, selects := d.(directory.Selecting)
	for i, f := range out {
		at := func(key string, err error) error {
			return plugin.At(fmt.Sprintf("[%d]", i), plugin.At(key, err))
		}
		known := func(other Field) bool { return other.Attribute == f.Attribute }
		switch {
		case f.Attribute == "" || account.IsOwn(f.Attribute):
			return at("attribute", errors.New("must be an attribute of the directory"))
		case selects && !reads.Reads(f.Attribute):
			return at("attribute", fmt.Errorf("%q is not read from the directory; add it to directory.attributes.release and to directory.attributes.editable", f.Attribute))
		case selects && !reads.Writes(f.Attribute):
			return at("attribute", fmt.Errorf("%q is not among directory.attributes.editable: add it there", f.Attribute))
		case slices.ContainsFunc(out[:i], known):
			return at("attribute", fmt.Errorf("%q is there twice", f.Attribute))
		case len(f.Label) == 0:
			return at("label", errors.New("is missing: it is what people read"))
		case kinds[f.Type] == nil:
			return at("type", fmt.Errorf("no type is called %q; known: text, email, url, phone, choice", f.Type))
		case (f.Type == "choice") != (len(f.Choices) > 0):
			return at("choices", errors.New("are for a choice, which needs them"))
		}
		if err := f.Who.Validate(); err != nil {
			return at("who", err)
		}
		if err := directory.Unread(d, f.Who.Attributes()...); err != nil {
			return at("who", err)
		}
		var err error
		if out[i].pattern, err = regexp.Compile("^(?:" + f.Pattern + ")$"); err != nil {
			return at("pattern", err)
		}
		if f.Pattern == "" {
			out[i].pattern = nil
		}
	}
	p.fields = out
	return nil
}

// takes reports whether somebody may write these values; none empties it.
func (f Field) takes(values []string) bool {
	most := 1
	if f.Several {
		most = maxValues
	}
	return len(values) <= most && (len(values) > 0 || !f.Required) && !slices.ContainsFunc(values, func(v string) bool { return !f.takesOne(v) })
}

func (f Field) takesOne(value string) bool {
	switch {
	case utf8.RuneCountInString(value) > maxValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return false
	case f.Type == "choice" && !slices.ContainsFunc(f.Choices, func(c Choice) bool { return c.Value == value }):
		return false
	}
	return kinds[f.Type](value) && (f.pattern == nil || f.pattern.MatchString(value))
}

// fieldsOf are the fields that an account has. One with several values that is
// to have one is not shown: what the others mean is not known here.
func (p *Portal) fieldsOf(a account.Account) (out []Field) {
	for _, f := range p.fields {
		if f.Who.Holds(a, p.now()) && (f.Several || len(a.Attributes[f.Attribute]) < 2) {
			out = append(out, f)
		}
	}
	return out
}

// The names of a form's fields: what is wanted, and what was shown, so that a
// change of somebody else's in the meantime is seen.
const (
	fieldValue = "value-" // + attribute
	fieldWas   = "was-"
)

func (p *Portal) profile(w http.ResponseWriter, r *http.Request, s *session.Session) {
	p.showProfile(w, r, s, p.own(r))
}

func (p *Portal) showProfile(w http.ResponseWriter, r *http.Request, s *session.Session, frame render.Frame) {
	view := render.Profile{Frame: frame}
	for _, f := range p.fieldsOf(s.Account) {
		on := s.Account.Attributes[f.Attribute]
		shown := render.ProfileField{Name: fieldValue + f.Attribute, Label: f.Label, Hint: f.Hint, Kind: or(f.Type, "text"), Required: f.Required, Several: f.Several,
			Was: fieldWas + f.Attribute, Before: strings.Join(on, "\n")}
		if typed, ok := f.typed(r); ok && (frame.Alert != nil && frame.Alert.Field != "" || render.SwitchesLanguage(r)) {
			on = typed
		}
		shown.Value = strings.Join(on, "\n")
		for _, c := range f.Choices {
			shown.Choices = append(shown.Choices, render.ProfileChoice{Value: c.Value, Label: c.Label, Chosen: slices.Contains(on, c.Value)})
		}
		view.Fields = append(view.Fields, shown)
	}
	p.Pages.Render(w, r, statusOf(bad(frame.Alert)), view)
}

func (p *Portal) postProfile(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if render.SwitchesLanguage(r) {
		p.profile(w, r, s)
		return
	}
	fields := p.fieldsOf(s.Account)
	for _, f := range fields {
		if typed, ok := f.typed(r); ok && !f.takes(typed) {
			p.profileAlert(w, r, s, render.Alert{Key: render.AlertBadValue, Field: fieldValue + f.Attribute})
			return
		}
	}
	at, err := p.edit(r, s, fields)
	if errors.Is(err, directory.ErrUnavailable) || errors.Is(err, directory.ErrNotFound) {
		p.Unavailable(w, r, err)
		return
	}
	// What was written before that one stays.
	if failed := errors.Join(p.refresh(r, s), p.Sessions.Commit(r.Context(), w, s)); failed != nil {
		p.Unavailable(w, r, failed)
		return
	}
	switch {
	case errors.Is(err, directory.ErrConflict):
		p.profileAlert(w, r, s, render.Alert{Key: render.AlertConflict})
	case err != nil: // the directory has a syntax of its own for it
		p.Logger.WarnContext(r.Context(), "a value that the directory does not take", "ref", web.Reference(r), "attribute", at.Attribute, "err", err)
		p.profileAlert(w, r, s, render.Alert{Key: render.AlertRefusedValue, Field: fieldValue + at.Attribute})
	default:
		p.did(w, r, "/account/data", render.AlertSaved)
	}
}

func (p *Portal) profileAlert(w http.ResponseWriter, r *http.Request, s *session.Session, alert render.Alert) {
	frame := p.own(r)
	frame.Alert = &alert
	p.showProfile(w, r, s, frame)
}

// edit writes what was changed in a form, from what the form showed, up to the
// first field at which that fails.
func (p *Portal) edit(r *http.Request, s *session.Session, fields []Field) (at Field, err error) {
	editor, ok := p.Login.Directory.(directory.Editor)
	if !ok {
		return at, errors.New("portal: this directory cannot be changed") // Allow has seen to it
	}
	for _, f := range fields {
		was := lines(r.PostForm[fieldWas+f.Attribute])
		wanted, ok := f.typed(r)
		if !ok || slices.Equal(was, wanted) {
			continue
		}
		err := editor.Edit(r.Context(), s.Account.ID, f.Attribute, was, wanted)
		result := "ok"
		if err != nil {
			result = "failed"
		}
		p.Login.Audit.Record(r.Context(), audit.Event{Action: "account.edit", Result: result, Account: s.Account.ID, Address: web.ClientAddr(r).String(),
			Detail: []slog.Attr{slog.String("attribute", f.Attribute)}})
		if err != nil {
			return f, err
		}
	}
	return at, nil
}

// typed are the values that a form brings, and whether it has the field: of boxes
// none of which is ticked it brings only what was shown.
func (f Field) typed(r *http.Request) ([]string, bool) {
	given := r.PostForm[fieldValue+f.Attribute]
	return lines(given), given != nil || f.Several && r.PostForm.Has(fieldWas+f.Attribute)
}

// lines are the lines of texts that say something, each once.
func lines(texts []string) (out []string) {
	for line := range strings.Lines(strings.Join(texts, "\n")) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}
