package letters

import (
	"encoding/csv"
	"strings"
	"time"
)

// table prints letters as CSV: group, name, login, code, link, end. A reminder
// has no code.
type table struct {
	*csv.Writer
	begun bool
}

func (t *table) add(l letter) error {
	if !t.begun {
		t.begun = true
		if err := t.Write([]string{"group", "name", "login", "code", "link", "until"}); err != nil {
			return err
		}
	}
	until := ""
	if !l.issued.Until.IsZero() {
		until = l.issued.Until.UTC().Format(time.DateOnly)
	}
	return t.Write([]string{inert(l.Group), inert(l.Name), inert(l.login), l.issued.Code.Reveal(), l.issued.URL.Reveal(), until})
}

func (t *table) close() error {
	t.Flush()
	return t.Error()
}

// inert keeps a spreadsheet from taking a name for a formula (CWE-1236).
func inert(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
