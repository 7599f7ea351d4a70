package ldap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

const (
	// pageSize is below what servers grant by default: 500 (OpenLDAP) to 1000
	// (Active Directory).
	pageSize = 250
	// scansAtOnce is how many searches through the directory run at a time.
	scansAtOnce = 4
	// scanPatience is how many timeouts one page may take: a part of a name is
	// seldom indexed.
	scanPatience = 5
)

// Search implements directory.Searcher.
func (d *dir) Search(ctx context.Context, q directory.Query, each func(account.Account) bool) error {
	return d.scan(ctx, q, func(found *goldap.Entry) bool {
		if d.principal(found) != "" {
			return true
		}
		a, err := d.usable(found)
		return err != nil || each(a)
	})
}

// scan goes through entries by pages (RFC 2696), on a connection of its own:
// servers keep one page open for each.
func (d *dir) scan(ctx context.Context, q directory.Query, each func(*goldap.Entry) bool) error {
	filter, matches, err := d.query(q)
	if err != nil || matches == nil {
		return err
	}
	if err := d.scans.enter(ctx); err != nil {
		return unavailable("search", err)
	}
	defer d.scans.leave()
	c, err := d.scanner(ctx)
	if err != nil {
		return unavailable("connect", err)
	}
	defer c.retire()
	page := goldap.NewControlPaging(pageSize)
	request := d.request(filter)
	request.SizeLimit, request.EnforceSizeLimit, request.TimeLimit = 0, false, 0
	request.Attributes = slices.Concat(d.attributes, d.searched.attributes())
	request.Controls = []goldap.Control{page}
	for {
		result, err := d.page(ctx, c, request)
		if err != nil {
			return err
		}
		for _, found := range result.Entries {
			if matches(readEntry(found)) && !each(found) {
				return nil
			}
		}
		next, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return nil
		}
		page.SetCookie(next.Cookie)
	}
}

// scanner opens a connection that one search has for itself.
func (d *dir) scanner(ctx context.Context) (*conn, error) {
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	return d.dialer.open(ctx, forScans, &d.reader, nil)
}

func (d *dir) page(ctx context.Context, c *conn, request *goldap.SearchRequest) (*goldap.SearchResult, error) {
	ctx, cancel := deadline(ctx, scanPatience*d.timeout)
	defer cancel()
	result, err := ask(ctx, d.dialer, "search", func() (*goldap.SearchResult, error) { return c.Search(request) })
	switch {
	case err == nil:
		return result, nil
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultSizeLimitExceeded, goldap.LDAPResultAdminLimitExceeded):
		return nil, fmt.Errorf("ldap: search: the server ends it early; let %s read all pages (OpenLDAP: limits … size.prtotal=unlimited): %w", d.reader.dn, err)
	}
	return nil, fault("search", err)
}

// searched is where the text of a query is looked for.
type searched struct {
	names []string // by parts of names
	exact []string // whole values, "attribute" or "attribute{LABEL}"
}

// parseSearched adds the rescue addresses: whoever knows nothing else of their
// account is found by theirs (requirement R22).
func parseSearched(a Attributes) searched {
	var s searched
	for _, where := range slices.Concat(a.Search, a.Emails) {
		if name, part := strings.CutSuffix(where, "*"); part {
			s.names = append(s.names, name)
		} else if !slices.Contains(s.exact, where) {
			s.exact = append(s.exact, where)
		}
	}
	return s
}

func (s searched) attributes() []string {
	out := slices.Clone(s.names)
	for _, where := range s.exact {
		out = append(out, attributeOf(where))
	}
	return out
}

// query turns a query into a filter, which may let more pass than is meant,
// and a comparison of what it lets pass, nil when nobody can match.
func (d *dir) query(q directory.Query) (filter string, matches func(entry) bool, err error) {
	var where strings.Builder
	for _, name := range slices.Sorted(maps.Keys(q.Where)) {
		if !attributeName.MatchString(name) || strings.Contains(name, ":") {
			return "", nil, errors.New("ldap: search: a condition is on something that is no attribute")
		}
		if len(q.Where[name]) == 0 {
			return "", nil, nil
		}
		var any strings.Builder
		for _, value := range q.Where[name] {
			any.WriteString(lookup{attribute: name}.filter(value))
		}
		where.WriteString("(|" + any.String() + ")")
	}
	if q.Text == "" {
		return where.String(), func(entry) bool { return true }, nil
	}
	text := typed(q.Text)
	if text == "" {
		return "", nil, nil
	}
	words := strings.Fields(fold(text))
	filter = where.String() + "(|" + d.searched.whole(text) + d.searched.parts(text, words) + ")"
	return filter, func(e entry) bool { return d.searched.match(e, text, words) }, nil
}

// whole is the items by which a whole value is found.
func (s searched) whole(text string) string {
	var out strings.Builder
	for _, where := range s.exact {
		out.WriteString(lookup{attribute: attributeOf(where)}.filter(labelOf(where) + text))
	}
	return out.String()
}

// parts is the items by which names are found: all the words loosely, or what
// was typed as it is, for accents that only the typed text has.
func (s searched) parts(text string, words []string) string {
	if len(words) == 0 {
		return ""
	}
	any := func(pattern string) string {
		var out strings.Builder
		for _, name := range s.names {
			out.WriteString("(" + name + "=" + pattern + ")")
		}
		return out.String()
	}
	var all strings.Builder
	for _, word := range words {
		all.WriteString("(|" + any(loose(word)) + ")")
	}
	return "(&" + all.String() + ")" + any("*"+goldap.EscapeFilter(text)+"*")
}

// match compares what a filter let pass.
func (s searched) match(e entry, text string, words []string) bool {
	for _, where := range s.exact {
		_, values := e.at(where)
		if slices.ContainsFunc(values, func(v string) bool { return sameValue(v, text) }) {
			return true
		}
	}
	var names strings.Builder
	for _, name := range s.names {
		for _, v := range e.all(name) {
			names.WriteString(squeezed(v) + "\n")
		}
	}
	all := names.String()
	return len(words) > 0 && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(all, word) })
}

// sameValue compares as the laxest of the servers' own rules does.
func sameValue(a, b string) bool {
	plain := func(v string) string { return strings.Join(strings.Fields(norm.NFKC.String(v)), "") }
	return strings.EqualFold(plain(a), plain(b))
}
