package render

import (
	"bytes"
	"errors"
	"strings"
	"time"
)

// SMSView is what one of the text messages shows. SMS names the file:
// sms/<name>.txt.
type SMSView interface{ SMS() string }

// SMSCode is the text message with a code.
type SMSCode struct {
	// Name replaces that of the site, when it does not fit; empty: it does.
	Name  string
	Code  string
	Until time.Time // when the code ends
	// Confirms is set where the code proves a new number and opens nothing: at
	// the desk an operator asks for it.
	Confirms bool
}

// SMSNotice tells an owner what was done to the account.
type SMSNotice struct {
	Name string // as of SMSCode
	// Act is "changed", "unlocked" or "contact".
	Act string
	At  time.Time
	URL string // takes it back; empty: the helpdesk does
}

// SMSDesk is a text message of the desk, sms.desk.<act>.
type SMSDesk struct {
	Name string // as of SMSCode
	// Act is "code", to be read to an operator, "match", a link behind which two
	// digits are typed, "acted", that an operator did something, or how it goes
	// with a request for help: as of MailRequest.
	Act       string
	Code, URL string
	Until     time.Time // when it ends; of "acted" when it was
}

// SMS implements SMSView.
func (SMSDesk) SMS() string { return "desk" }

// SMS implements SMSView.
func (SMSCode) SMS() string { return "code" }

// SMS implements SMSView.
func (SMSNotice) SMS() string { return "notice" }

// SMS renders a text message in the language nearest to a BCP 47 tag, which may
// be empty. The last line of a code binds it to this site, so that phones fill
// it in here and nowhere else (WICG, Origin-bound one-time codes).
func (p *Pages) SMS(lang string, view SMSView) (string, error) {
	file := "sms/" + view.SMS() + ".txt"
	t, ok := p.sets[p.catalog.Match(lang)].texts[file]
	if !ok {
		return "", errors.New(file + ": is missing")
	}
	var out bytes.Buffer
	if err := t.Execute(&out, view); err != nil {
		return "", err
	}
	text := strings.TrimSpace(out.String())
	if code, ok := view.(SMSCode); ok {
		text += "\n\n@" + p.host + " #" + code.Code
	}
	return text, nil
}

// Languages are the BCP 47 tags of all languages, the default first.
func (p *Pages) Languages() []string { return p.catalog.Languages() }
