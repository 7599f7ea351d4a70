package letters

import (
	"context"
	"encoding/csv"
	"io"
	"strings"
	"time"
)

// CSV prints letters as a table, for a site's own mail merge: group, name,
// login, code, link, end. A reminder has no code. Errors are of the directory,
// the store, or w.
func (p *Press) CSV(ctx context.Context, w io.Writer, o Order) (Printed, error) {
	t := &table{csv.NewWriter(w)}
	if err := t.Write([]string{"group", "name", "login", "code", "link", "until"}); err != nil {
		return Printed{}, err
	}
	return p.print(ctx, o, t)
}

type table struct{ *csv.Writer }

func (t *table) add(l letter) error {
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
