package render

import (
	"bytes"
	"errors"
	"strings"
	"time"
)

// SMSCode is the text message with a code: sms/code.txt.
type SMSCode struct {
	// Name replaces that of the site, when it does not fit; empty: it does.
	Name  string
	Code  string
	Until time.Time // when the code ends
}

// SMS renders the text message in the language nearest to a BCP 47 tag, which
// may be empty. Its last line binds the code to this site, so that phones fill
// it in here and nowhere else (WICG, Origin-bound one-time codes).
func (p *Pages) SMS(lang string, view SMSCode) (string, error) {
	t, ok := p.sets[p.catalog.Match(lang)].texts["sms/code.txt"]
	if !ok {
		return "", errors.New("sms/code.txt: is missing")
	}
	var out bytes.Buffer
	if err := t.Execute(&out, view); err != nil {
		return "", err
	}
	return strings.TrimSpace(out.String()) + "\n\n@" + p.host + " #" + view.Code, nil
}

// Languages are the BCP 47 tags of all languages, the default first.
func (p *Pages) Languages() []string { return p.catalog.Languages() }
