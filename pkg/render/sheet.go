package render

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Sheet is a printed letter, letters/letter.txt, or its short form for a card,
// letters/card.txt. The text has a line for each paragraph; one that begins
// with "# " is a heading, one with "= " is to be copied letter by letter, and
// one with "! " is the QR code, of which it says what it shows.
type Sheet struct {
	Name  string
	Group string // a class, a component; may be empty
	Login string
	// Code opens the first sign-in. Without one the account is activated
	// already, and the letter recalls the identifier only (requirement R61).
	Code  string
	Reset bool // the account is activated, and the code opens the choice of another password
	Until time.Time
	URL   string // where to type it
	Card  bool
}

func (s Sheet) file() string {
	if s.Card {
		return "letters/card.txt"
	}
	return "letters/letter.txt"
}

// Sheet renders a letter in the language nearest to a BCP 47 tag, which may be
// empty, and returns that language.
func (p *Pages) Sheet(lang string, sheet Sheet) (text, tag string, err error) {
	tag = p.catalog.Match(lang)
	var out bytes.Buffer
	if err := p.sets[tag].texts[sheet.file()].Execute(&out, sheet); err != nil {
		return "", "", err
	}
	return strings.TrimSpace(out.String()), tag, nil
}

func (p *Pages) checkSheets() error {
	for _, file := range []string{Sheet{}.file(), Sheet{Card: true}.file()} {
		if p.sets[p.catalog.tags[0]].texts[file] == nil {
			return fmt.Errorf("templates: %s: is missing", file)
		}
	}
	return nil
}
