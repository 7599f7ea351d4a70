package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
)

// Finding is one line of the doctor: what was looked at and seen, and, when it
// is not OK, how to mend it.
type Finding struct {
	OK         bool
	Part       string // "directory", "store"…
	What, Mend string
}

// Question is what an operator wants to know beyond whether all is well.
type Question struct {
	// Login is that of an account: what it can do, and what of it is told to
	// whom.
	Login string
	// Applications are service URLs or client identifiers: whose they are, and
	// with Login what exactly each is told, and why the account may enter or
	// not. Of two the difference is shown.
	Applications []string
}

// pinger is implemented by ways out that can be asked whether they work.
type pinger interface {
	Ping(ctx context.Context) error
}

// Check examines everything that a configuration names, each part for itself,
// so that one that is down does not hide what is wrong with another. It starts
// nothing and changes nothing.
func Check(ctx context.Context, config Config, plugins Plugins, logger *slog.Logger, about Question) []Finding {
	config, err := config.check()
	if err != nil {
		return []Finding{{Part: "file", What: err.Error()}}
	}
	d := &doctor{opening: &opening{config: config, plugins: plugins, logger: logger}}
	defer func() { _ = d.closers.Close() }()
	d.examine(ctx, about)
	return d.findings
}

type doctor struct {
	*opening
	findings []Finding
}

// fine and wrong are the two kinds of findings of our own.

func (d *doctor) fine(part, format string, args ...any) {
	d.findings = append(d.findings, Finding{OK: true, Part: part, What: fmt.Sprintf(format, args...)})
}

func (d *doctor) wrong(part string, err error) {
	d.findings = append(d.findings, Finding{Part: part, What: oneLine(err.Error())})
}

func (d *doctor) examine(ctx context.Context, about Question) {
	keys, keysErr := d.keys()
	if keysErr != nil {
		d.wrong("keys", keysErr)
	} else {
		d.fine("keys", "master key; signing keys %s", algorithms(keys))
		d.private()
	}
	_, pagesErr := d.pages()
	if pagesErr != nil {
		d.wrong("templates", pagesErr)
	} else {
		d.fine("templates", "all pages, mails and messages are there")
	}
	d.ways(ctx)
	people, directoryErr := d.directory(ctx)
	if directoryErr != nil {
		d.wrong("directory", directoryErr)
	} else if e, ok := people.(directory.Examiner); ok {
		for _, f := range e.Examine(ctx) {
			d.findings = append(d.findings, Finding{f.OK, "directory", f.What, f.Mend})
		}
	}
	state, storeErr := d.store(ctx)
	if storeErr != nil {
		d.wrong("store", storeErr)
	} else if e, ok := state.(store.Examiner); ok {
		for _, f := range e.Examine(ctx) {
			d.findings = append(d.findings, Finding{f.OK, "store", f.What, f.Mend})
		}
	}
	if errors.Join(keysErr, pagesErr, directoryErr, storeErr) != nil {
		return // what follows needs them all
	}
	// Joined as serve joins them, on parts of their own.
	server, err := Open(ctx, d.config, d.plugins, d.logger)
	if err != nil {
		d.wrong("protocols", err)
		return
	}
	defer func() { _ = server.Close() }()
	d.fine("protocols", "%s", strings.Join(d.config.protocolNames(), ", "))
	d.about(ctx, people, server, about)
}

// about answers a Question.
func (d *doctor) about(ctx context.Context, people directory.Reader, server *Server, q Question) {
	applications := d.applications(server, q.Applications)
	if q.Login == "" {
		return
	}
	a, err := people.Find(ctx, q.Login)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		d.findings = append(d.findings, Finding{Part: "account", What: "nobody has this login, or more than one has",
			Mend: "look at the look-up attributes and the filter of the directory, and whether two entries share it"})
	case err != nil:
		d.wrong("account", err)
	case q.Applications != nil:
		for _, each := range applications {
			d.visit(each, a)
		}
	default:
		d.account(a, server)
	}
}

// private looks at who else on this machine can read the keys.
func (d *doctor) private() {
	info, err := os.Stat(filepath.Join(d.config.Keys, masterFile))
	if d.config.KeyMaterial == nil && err == nil && info.Mode().Perm()&0o007 != 0 {
		d.findings = append(d.findings, Finding{Part: "keys", What: "everybody on this machine can read the master key",
			Mend: "chmod -R o= " + d.config.Keys})
	}
}

func algorithms(keys *Keys) string {
	if keys.Signers == nil {
		return "in the store"
	}
	return strings.Join(keys.Signers.Algorithms(), ", ")
}

// ways examines how messages leave.
func (d *doctor) ways(ctx context.Context) {
	way := func(part string, opened any, err error) {
		if err == nil && opened == nil {
			return // not configured
		}
		p, ok := opened.(pinger)
		if err == nil && ok {
			err = p.Ping(ctx)
		}
		switch {
		case err != nil:
			d.wrong(part, err)
		case ok:
			d.fine(part, "the server answers and lets us in")
		default:
			d.fine(part, "configured; it cannot be asked more")
		}
	}
	sender, err := d.mail(ctx)
	way("mail", sender, err)
	gateway, err := d.sms(ctx)
	way("sms", gateway, err)
}

// account says why somebody can or cannot log in or recover. What it prints of
// a person is what helps, and no address.
func (d *doctor) account(a account.Account, server *Server) {
	status := string(a.Status)
	if a.Reason != account.ReasonNone {
		status += " (" + string(a.Reason) + ")"
	}
	switch {
	case a.Status == account.Disabled && !a.Ends.IsZero():
		status += ", after " + account.DateOf(a.Ends).String()
	case !a.Ends.IsZero():
		status += ", until " + account.DateOf(a.Ends).String()
	}
	if !a.Closes.IsZero() {
		status += ", then in grace until " + account.DateOf(a.Closes).String()
	}
	d.fine("account", "found as %s, %s: %s", a.Login, a.Handle, status)
	if a.Status.MayLogin() {
		d.fine("account", "a right password opens a session")
	} else {
		d.fine("account", "a right password opens no session")
	}
	for _, m := range server.methods {
		d.fine("account", "%s", recovers(m, a))
	}
	for _, protocol := range server.protocols {
		if p, ok := protocol.(sso.Lister); ok {
			for _, party := range p.Parties() {
				d.fine("account", "%s", released(party, a))
			}
		}
	}
}

// recovers says what a method can do for an account.
func recovers(m recovery.Method, a account.Account) string {
	purpose, ok := recovery.PurposeFor(a)
	if !ok {
		return m.Name() + ": offers nothing in this state of the account"
	}
	if !m.Offers(a, purpose) {
		return fmt.Sprintf("%s: cannot %s: nothing on file to reach this person by", m.Name(), purpose)
	}
	return fmt.Sprintf("%s: can %s", m.Name(), purpose)
}

// released names what would be told, not the values.
func released(party sso.RelyingParty, a account.Account) string {
	if why := party.Admit(a, time.Now()); why != account.ReasonNone {
		return fmt.Sprintf("%s: may not enter (%s)", party.Name, why)
	}
	told := []string{"the name of the account (" + cmp.Or(party.User.Name, account.ValueLogin) + ")"}
	for _, each := range party.Release(a) {
		told = append(told, each.Name)
	}
	return fmt.Sprintf("%s: may enter, is told %s", party.Name, strings.Join(told, ", "))
}
