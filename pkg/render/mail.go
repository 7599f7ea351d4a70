package render

import (
	"bytes"
	"fmt"
	"strings"
	"text/template/parse"
	"unicode"
)

// Letter is a rendered message to one person, in one language.
type Letter struct {
	Language string
	Subject  string
	Text     string
	HTML     string
}

// MailView is what one of the mails shows. Mail names the files:
// mail/<name>.subject, .txt and .html.
type MailView interface{ Mail() string }

// Mail renders a mail in the language nearest to a BCP 47 tag, which may be
// empty. In the subject and the plain text every value is one line without
// control characters, so that no value can make a header or a paragraph of
// its own (R-REC-16, R-REC-17).
func (p *Pages) Mail(lang string, view MailView) (Letter, error) {
	letter := Letter{Language: p.catalog.Match(lang)}
	set := p.sets[letter.Language]
	for _, part := range []struct {
		suffix string
		into   *string
	}{{".subject", &letter.Subject}, {".txt", &letter.Text}} {
		t, ok := set.texts[view.Mail()+part.suffix]
		if !ok {
			return Letter{}, fmt.Errorf("mail/%s%s: is missing", view.Mail(), part.suffix)
		}
		var out bytes.Buffer
		if err := t.Execute(&out, view); err != nil {
			return Letter{}, err
		}
		*part.into = strings.TrimSpace(out.String())
	}
	letter.Subject = line(letter.Subject)
	t, ok := set.mails[view.Mail()+".html"]
	if !ok {
		return Letter{}, fmt.Errorf("mail/%s.html: is missing", view.Mail())
	}
	var out bytes.Buffer
	if err := t.shown().Execute(&out, view); err != nil {
		return Letter{}, err
	}
	letter.HTML = out.String()
	return letter, nil
}

// line makes any value one line of visible text: control, formatting and
// line-breaking characters become spaces.
func line(value any) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, fmt.Sprint(value)))
}

// oneLine puts every value of a plain-text template through line, as
// html/template puts those of a page through its escapers.
func oneLine(list *parse.ListNode) {
	walk(list, func(node parse.Node) {
		action, ok := node.(*parse.ActionNode)
		if !ok || len(action.Pipe.Decl) > 0 {
			return
		}
		action.Pipe.Cmds = append(action.Pipe.Cmds, &parse.CommandNode{
			NodeType: parse.NodeCommand, Pos: action.Pos,
			Args: []parse.Node{parse.NewIdentifier("line").SetTree(nil).SetPos(action.Pos)},
		})
	})
}
