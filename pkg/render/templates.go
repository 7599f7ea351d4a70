package render

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"text/template/parse"
	"time"
)

// set is every template in one language.
type set struct {
	pages map[string]page                   // by the name of the page
	mails map[string]page                   // by file name
	texts map[string]*texttemplate.Template // by file name, of text messages with their folder
}

// page is a template of HTML. It is made when it is first shown: one weighs
// 100 KiB and most servers show few of them.
type page struct {
	read  func() (*htmltemplate.Template, error)
	shown func() *htmltemplate.Template // read once, and folded
}

// page reads a template to find its faults, and forgets it until somebody
// wants to see it.
func (p *Pages) page(parse func() (*htmltemplate.Template, error)) (page, error) {
	read := func() (*htmltemplate.Template, error) {
		t, err := parse()
		if err != nil {
			return nil, err
		}
		return t, p.prepare(t)
	}
	_, err := read()
	return page{read, sync.OnceValue(func() *htmltemplate.Template {
		t, err := read()
		if err != nil {
			panic(err) // it was read at start
		}
		fold(t)
		return t
	})}, err
}

// parse reads every template of the layers in one language.
func (p *Pages) parse(layers overlay, lang string) (*set, error) {
	s := &set{map[string]page{}, map[string]page{}, map[string]*texttemplate.Template{}}
	funcs := p.funcs(lang)
	layout, err := layers.ReadFile("pages/layout.html")
	if err != nil {
		return nil, err
	}
	err = layers.each("pages/*.html", func(file string, content []byte) (err error) {
		name := strings.TrimSuffix(file, ".html")
		if name == "layout" {
			return nil
		}
		s.pages[name], err = p.page(func() (*htmltemplate.Template, error) {
			t, err := htmltemplate.New("pages/layout.html").Funcs(funcs).Parse(string(layout))
			if err == nil {
				_, err = t.New("pages/" + file).Parse(string(content))
			}
			return t, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	err = layers.each("mail/*.html", func(file string, content []byte) (err error) {
		s.mails[file], err = p.page(func() (*htmltemplate.Template, error) {
			return htmltemplate.New("mail/" + file).Funcs(funcs).Parse(string(content))
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, of := range []struct{ pattern, prefix string }{{"mail/*.txt", ""}, {"mail/*.subject", ""}, {"sms/*.txt", "sms/"}, {"letters/*.txt", "letters/"}} {
		err := layers.each(of.pattern, func(file string, content []byte) error {
			t, err := texttemplate.New(path.Dir(of.pattern) + "/" + file).Funcs(funcs).Parse(string(content))
			if err != nil {
				return err
			}
			for _, each := range t.Templates() {
				if err := p.checkNames(each.Tree); err != nil {
					return err
				}
				oneLine(each.Root)
			}
			s.texts[of.prefix+file] = t
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// prepare finds at start what html/template would find at the first use: a
// message that does not exist, a value where it cannot be escaped.
func (p *Pages) prepare(t *htmltemplate.Template) error {
	for _, each := range t.Templates() {
		if each.Tree == nil {
			continue
		}
		if err := p.checkNames(each.Tree); err != nil {
			return err
		}
	}
	// Escaping happens before execution, which may fail for want of values.
	var escaping *htmltemplate.Error
	if err := t.Execute(io.Discard, nil); errors.As(err, &escaping) {
		return err
	}
	return nil
}

// checkNames looks up every message and every static file that a template
// names literally, and compares the names of a message's arguments.
func (p *Pages) checkNames(tree *parse.Tree) error {
	var all []error
	walk(tree.Root, func(node parse.Node) {
		command, ok := node.(*parse.CommandNode)
		if !ok || len(command.Args) < 2 {
			return
		}
		key, ok := command.Args[1].(*parse.StringNode)
		if !ok {
			return // made from a value: see messageKeys and Require
		}
		place, _ := tree.ErrorContext(node)
		switch command.Args[0].String() {
		case "static":
			if _, err := p.staticPath(key.Text); err != nil {
				all = append(all, fmt.Errorf("%s: %w", place, err))
			}
			return
		case "t":
		default:
			return
		}
		message, ok := p.catalog.locales[p.catalog.tags[0]][key.Text]
		if !ok {
			all = append(all, fmt.Errorf("%s: no message %q in locales/%s.json", place, key.Text, p.catalog.tags[0]))
			return
		}
		var given []string
		for i := 2; i < len(command.Args); i += 2 {
			if name, ok := command.Args[i].(*parse.StringNode); ok {
				given = append(given, name.Text)
			}
		}
		slices.Sort(given)
		if !slices.Equal(given, message.arguments()) {
			all = append(all, fmt.Errorf("%s: message %q of %s has the arguments %v, not %v", place, key.Text, message.from, message.arguments(), given))
		}
	})
	return errors.Join(all...)
}

// walk visits every node of a template.
func walk(node parse.Node, visit func(parse.Node)) {
	pipe := func(p *parse.PipeNode) {
		if p != nil {
			walk(p, visit)
		}
	}
	branch := func(b parse.BranchNode) {
		pipe(b.Pipe)
		walk(b.List, visit)
		if b.ElseList != nil {
			walk(b.ElseList, visit)
		}
	}
	visit(node)
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, each := range n.Nodes {
			walk(each, visit)
		}
	case *parse.ActionNode:
		pipe(n.Pipe)
	case *parse.PipeNode:
		for _, each := range n.Cmds {
			walk(each, visit)
		}
	case *parse.CommandNode:
		for _, each := range n.Args {
			walk(each, visit)
		}
	case *parse.IfNode:
		branch(n.BranchNode)
	case *parse.RangeNode:
		branch(n.BranchNode)
	case *parse.WithNode:
		branch(n.BranchNode)
	case *parse.TemplateNode:
		pipe(n.Pipe)
	}
}

// funcs are the words that a template may use, in one language.
func (p *Pages) funcs(lang string) map[string]any {
	text := func(key string, args ...any) (string, error) { return p.catalog.Text(lang, key, args...) }
	local := func(t time.Time) time.Time { return t.In(p.site.zone) }
	moment := func(t time.Time) (string, error) {
		return text("time.moment", "day", day(lang, local(t)), "time", clock(lang, local(t)))
	}
	deadline := func(t time.Time) (string, error) {
		return text("time.until", "day", day(lang, local(t)), "time", clock(lang, local(t)))
	}
	today := func(t time.Time) bool {
		return local(t).Format(time.DateOnly) == local(p.now()).Format(time.DateOnly)
	}
	return map[string]any{
		// t is a message: t "login.title" "app" .Destination
		"t": text,
		// key makes the key of a message from a value: t (key "alert" .Key "title")
		"key": func(parts ...any) string {
			texts := make([]string, len(parts))
			for i, part := range parts {
				texts[i] = fmt.Sprint(part)
			}
			return strings.Join(texts, ".")
		},
		// in is a text of the site in this language.
		"in": func(text Text) string { return text.In(lang) },
		// url puts the path of the issuer in front of a path of ours.
		"url":    func(path string) string { return p.base + path },
		"static": p.staticPath,
		// recovery tells whether people can get back in at /recover and /activate.
		"recovery": func() bool { return p.recovery },
		// requests tells whether help can be asked for at /help/request.
		"requests": func() bool { return p.requests },
		"lang":     func() string { return lang },
		// others are the languages that this page is not in.
		"others": func() ([]other, error) { return p.others(lang) },
		"site":   func() Site { return p.site.Site },
		"name":   func() string { return p.site.Name.In(lang) },
		"clock":  func(t time.Time) string { return clock(lang, local(t)) },
		"join":   func(names []string) string { return strings.Join(names, ", ") },
		"day":    func(t time.Time) string { return day(lang, local(t)) },
		// minute is clock in the alphabet of text messages.
		"minute": func(t time.Time) string { return local(t).Format("15:04") },
		// moment is "le 31 décembre 2026 à 18 h 00", deadline "jusqu’au 31 …":
		// for mails, which are read on any day.
		"moment":   moment,
		"deadline": deadline,
		// when and until say the same in short if it is today.
		"when": func(t time.Time) (string, error) {
			if today(t) {
				return text("time.today", "time", clock(lang, local(t)))
			}
			return moment(t)
		},
		"until": func(t time.Time) (string, error) {
			if today(t) {
				return text("time.until_today", "time", clock(lang, local(t)))
			}
			return deadline(t)
		},
		"tel": tel,
		// whole keeps a number in one line.
		"whole":   func(text string) string { return strings.ReplaceAll(text, " ", "\u00a0") },
		"opening": func() (string, error) { return p.opening(text, lang) },
		"line":    line,
		// accent and brass are the colours of the light room, for mails.
		"accent": func() string { return Readable(p.site.faces[""].key, lightGrounds...).String() },
		"brass":  func() string { return Readable(p.site.faces[""].brass, lightGrounds...).String() },
	}
}

// other is a language: its tag and its own name.
type other struct{ Tag, Name string }

func (p *Pages) others(lang string) (others []other, err error) {
	for _, tag := range p.catalog.Languages() {
		name, err := p.catalog.Text(tag, "language.name")
		if err != nil {
			return nil, err
		}
		if tag != lang {
			others = append(others, other{tag, name})
		}
	}
	return others, nil
}

// opening is whether the helpdesk answers now, in words; empty when the site
// announces no hours.
func (p *Pages) opening(text func(string, ...any) (string, error), lang string) (string, error) {
	if len(p.site.Help.Hours) == 0 {
		return "", nil
	}
	now := p.now().In(p.site.zone)
	opening := p.site.schedule.At(now)
	change := opening.Change
	if change.IsZero() {
		return text("help.closed")
	}
	at := hour(lang, change)
	switch eve := change.AddDate(0, 0, -1); {
	case opening.Open:
		return text("help.open_until", "time", at)
	case day(lang, change) == day(lang, now):
		return text("help.opens_today", "time", at)
	case day(lang, eve) == day(lang, now):
		return text("help.opens_tomorrow", "time", at)
	case change.Sub(now) < 6*24*time.Hour:
		return text("help.opens_weekday", "weekday", weekday(lang, change), "time", at)
	}
	return text("help.opens_on", "day", day(lang, change), "time", at)
}

func (p *Pages) staticPath(name string) (string, error) {
	path, ok := p.assetPaths[name]
	if !ok {
		return "", fmt.Errorf("static/%s: is missing", name)
	}
	return path, nil
}

// tel is the link that calls a number as people write it.
func tel(number string) htmltemplate.URL {
	return htmltemplate.URL("tel:" + strings.Map(func(r rune) rune {
		if r == '+' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number))
}
