package ldap

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
)

// standing is what an account's state allows, why, and until when: as of
// account.Account.
type standing struct {
	status       account.Status
	reason       account.Reason
	ends, closes time.Time
}

// terms are what must be known beside an entry to judge it.
type terms struct {
	now time.Time
	// lockout is how long the directory's own lock after failures lasts; zero:
	// until somebody lifts it.
	lockout time.Duration
	// grace is how many months an account lasts whose holder has left.
	grace int
}

// ending is a standing that holds up to a last second (requirement R11). After
// it come so many months of grace, and then nothing.
func (t terms) ending(s standing, last time.Time, months int) standing {
	over := func(last time.Time) bool { return !t.now.Before(last.Add(time.Second)) }
	var closes time.Time
	if months > 0 {
		closes = account.DateOf(last).AddMonths(months).Last()
	}
	switch {
	case !over(last):
		s.ends, s.closes = last, closes
		return s
	case !over(closes):
		return standing{status: account.Grace, reason: account.ReasonDeparture, ends: closes}
	case months > 0:
		last = closes
	}
	return standing{status: account.Disabled, reason: account.ReasonExpired, ends: last}
}

// source is one place where the state of an account is written.
type source struct {
	attributes []string
	// judge reads it. ok is false when the entry says nothing there.
	judge func(e entry, t terms) (s standing, ok bool)
	// putOff, where ends are kept there, are the changes by which the state
	// that the entry now has lasts up to another day.
	putOff func(e entry, now standing, until account.Date) []exchange
}

// sources is the decision table R10, R11 and R16, one row per vocabulary.
var sources = map[string]source{
	"supann":           {[]string{"supannRessourceEtat", "supannRessourceEtatDate"}, judgeSupann, putOffSupann},
	"ent":              {[]string{"ESCOPersonEtatCompte"}, judgeENT, nil},
	"schac":            {[]string{"schacExpiryDate"}, judgeSchac, putOffSchac},
	"ppolicy":          {[]string{"pwdAccountLockedTime", "pwdStartTime", "pwdEndTime"}, judgePPolicy, putOffPPolicy},
	"active-directory": {[]string{"userAccountControl", "msDS-User-Account-Control-Computed", "lockoutTime", "accountExpires"}, judgeAD, putOffAD},
	"389ds":            {[]string{"nsAccountLock", "accountUnlockTime"}, judge389, nil},
}

// severity orders the states: of two sources the severer one holds.
var severity = map[account.Status]int{
	account.Active: 0, account.Grace: 1, account.Pending: 2, account.Locked: 3, account.Disabled: 4,
}

// judge applies the sources of a schema: of two the severer holds, and of two
// ends the earlier. An entry of which none says anything has the state absent.
func judge(names []string, e entry, t terms, absent account.Status) standing {
	var found bool
	worst := standing{status: account.Active}
	for _, name := range names {
		s, ok := sources[name].judge(e, t)
		switch {
		case !ok:
		case !found || severity[s.status] > severity[worst.status]:
			worst, found = s, true
		case s.status == worst.status && s.status.MayLogin() && !s.ends.IsZero() && (worst.ends.IsZero() || s.ends.Before(worst.ends)):
			worst = s
		}
	}
	if found {
		return worst
	}
	switch absent {
	case account.Active:
		return standing{status: account.Active}
	case account.Pending:
		return standing{status: account.Pending, reason: account.ReasonNotActivated}
	}
	return unknown
}

// unknown refuses: a state that nobody described is not taken for a good one.
var unknown = standing{status: account.Disabled, reason: account.ReasonUnknownState}

// compte is the label of the account among the states of SUPANN.
const compte = "{COMPTE}"

// judgeSupann reads supannRessourceEtat "{COMPTE}A:SupannActif" and
// supannRessourceEtatDate "{COMPTE}A:SupannActif:20250901:20260831" (SUPANN
// 2020; the dates are begin and end of that very state).
func judgeSupann(e entry, t terms) (standing, bool) {
	states := e.labelled("supannRessourceEtat", compte)
	dates := supannDates(e)
	switch {
	case slices.ContainsFunc(e.all("supannRessourceEtat"), func(v string) bool { return !strings.HasPrefix(v, "{") }):
		return unknown, true // of whatever it is the state
	case len(states) == 0 && len(dates) == 0:
		return standing{}, false
	case len(states) > 1, len(dates) > 1:
		return unknown, true
	}
	var state string
	var fields []string // of the date value
	if len(dates) == 1 {
		fields = dateFields(dates[0])
		state = strings.TrimSuffix(fields[0]+":"+fields[1], ":")
	}
	if len(states) == 1 {
		state = strings.TrimSpace(states[0])
	}
	s := supannState(state)
	if fields == nil {
		return s, true
	}
	begin, err1 := supannDay(fields[2])
	end, err2 := supannDay(fields[3])
	if err1 != nil && s.status == account.Grace || err2 != nil {
		return unknown, true
	}
	arriving := strings.HasSuffix(strings.ToLower(state), ":supannanticipe")
	switch {
	case !s.status.MayLogin():
	case s.status == account.Grace && end.IsZero() && !begin.IsZero() && t.grace > 0:
		s = t.ending(s, begin.AddDays(-1).AddMonths(t.grace).Last(), 0)
	case end.IsZero():
	case s.status == account.Grace:
		s = t.ending(s, end.Last(), 0)
	case arriving:
		if s = t.ending(s, end.Last(), 0); s.status == account.Active { // and then stays
			s.ends = time.Time{}
		}
	default:
		s = t.ending(s, end.Last(), t.grace)
	}
	return s, true
}

// supannDates are the values of supannRessourceEtatDate that are of the state in
// which the account is: an entry may keep those of former states, and dates of
// another state say nothing about this one. Of several the one that began last
// holds, so that there are two only where nobody can tell.
func supannDates(e entry) (out []string) {
	states, begun := e.labelled("supannRessourceEtat", compte), ""
	for _, v := range e.all("supannRessourceEtatDate") {
		if !hasLabel(v, compte) {
			continue
		}
		fields := dateFields(v)
		if len(states) == 1 && !strings.EqualFold(strings.TrimSpace(states[0]), strings.TrimSuffix(fields[0]+":"+fields[1], ":")) {
			continue
		}
		switch begin := fields[2]; {
		case len(out) == 0, begin > begun:
			out, begun = []string{v}, begin
		case begin == begun:
			out = append(out, v)
		}
	}
	return out
}

// dateFields are the state, sub-state, begin and end of a value of
// supannRessourceEtatDate.
func dateFields(value string) []string {
	return append(strings.Split(strings.TrimSpace(value[len(compte):]), ":"), "", "", "", "")[:4]
}

// supannDay reads a date of SUPANN, which may have a time; zero where there is none.
func supannDay(text string) (account.Date, error) {
	if text == "" {
		return account.Date{}, nil
	}
	return account.ParseDate(text[:min(8, len(text))])
}

// supannState is row R10 of the decision table.
func supannState(state string) standing {
	letter, sub, _ := strings.Cut(strings.ToLower(state), ":")
	switch letter {
	case "a":
		switch sub {
		case "", "supannactif", "supannanticipe":
			return standing{status: account.Active}
		case "supannsursis":
			return standing{status: account.Grace, reason: account.ReasonDeparture}
		}
	case "i":
		switch {
		case sub == "supannprecree", sub == "supanncree":
			return standing{status: account.Pending, reason: account.ReasonNotActivated}
		case sub == "supannexpire":
			return standing{status: account.Disabled, reason: account.ReasonExpired}
		case sub == "", sub == "supanninactif", strings.HasPrefix(sub, "supannsuppr"):
			return standing{status: account.Disabled, reason: account.ReasonClosed}
		}
	case "s":
		if sub == "supannverroutechnique" {
			return standing{status: account.Locked, reason: account.ReasonSecurity}
		}
		return standing{status: account.Locked, reason: account.ReasonAdministrative}
	}
	return unknown
}

// judgeENT reads the school schema's ESCOPersonEtatCompte.
func judgeENT(e entry, _ terms) (standing, bool) {
	state := e.first("ESCOPersonEtatCompte")
	switch strings.ToUpper(state) {
	case "":
		return standing{}, false
	case "VALIDE":
		return standing{status: account.Active}, true
	case "INVALIDE":
		return standing{status: account.Pending, reason: account.ReasonNotActivated}, true
	case "BLOQUE":
		return standing{status: account.Locked, reason: account.ReasonAdministrative}, true
	case "DELETE":
		return standing{status: account.Disabled, reason: account.ReasonClosed}, true
	}
	return unknown, true
}

// judgeSchac reads schacExpiryDate (SCHAC 1.5): from then on nobody is of the
// house any more of whom the entry is.
func judgeSchac(e entry, t terms) (standing, bool) {
	at, err := generalizedTime(e.first("schacExpiryDate"))
	if err != nil {
		return unknown, e.first("schacExpiryDate") != ""
	}
	return t.ending(standing{status: account.Active}, at.Add(-time.Second), t.grace), true
}

// lockedForEver is the value of pwdAccountLockedTime that only an
// administrator writes and lifts (draft-behera-ldap-password-policy 5.3.3).
const lockedForEver = "000001010000Z"

// judgePPolicy reads the operational attributes of the password policy. The
// server keeps pwdAccountLockedTime after the lock has run out, so how long it
// lasts must be known here too.
// Before pwdStartTime and from pwdEndTime on the server itself lets nobody in
// (sections 5.3.9 and 5.3.10): no new password and no grace changes that.
func judgePPolicy(e entry, t terms) (standing, bool) {
	since, start, end := e.first("pwdAccountLockedTime"), e.first("pwdStartTime"), e.first("pwdEndTime")
	if start != "" {
		at, err := generalizedTime(start)
		switch {
		case err != nil:
			return unknown, true
		case t.now.Before(at):
			return standing{status: account.Locked, reason: account.ReasonAdministrative, ends: at}, true
		}
	}
	if end != "" {
		at, err := generalizedTime(end)
		if err != nil {
			return unknown, true
		}
		s := t.ending(standing{status: account.Active}, at.Add(-time.Second), 0)
		if since == "" || s.status == account.Disabled {
			return s, true
		}
	}
	if since == "" {
		return standing{}, false
	}
	if since == lockedForEver {
		return standing{status: account.Locked, reason: account.ReasonAdministrative}, true
	}
	locked := standing{status: account.Locked, reason: account.ReasonTooManyTries}
	at, err := generalizedTime(since)
	if err != nil {
		return locked, true
	}
	return t.technical(locked, at)
}

// technical is a lock that the directory put at an instant.
func (t terms) technical(locked standing, at time.Time) (standing, bool) {
	if t.lockout == 0 {
		return locked, true
	}
	locked.ends = at.Add(t.lockout)
	return locked, t.now.Before(locked.ends)
}

// Bits of userAccountControl and msDS-User-Account-Control-Computed, and the
// start of FILETIME (100 ns since 1601) in seconds before 1970 (MS-ADTS 2.2.16,
// MS-DTYP 2.3.3).
const (
	adDisabled  = 0x2
	adLockedOut = 0x10
	fileTime    = 11644473600
)

// judgeAD reads Active Directory. The computed attribute knows whether a
// lockout has run out; lockoutTime alone does not. From accountExpires on the
// server itself lets nobody in, so that no grace can follow.
func judgeAD(e entry, t terms) (standing, bool) {
	control, err := strconv.ParseInt(e.first("userAccountControl"), 10, 64)
	if err != nil {
		return unknown, e.first("userAccountControl") != ""
	}
	if control&adDisabled != 0 {
		return standing{status: account.Locked, reason: account.ReasonAdministrative}, true
	}
	out := standing{status: account.Active}
	if expires := adTime(e.first("accountExpires")); !expires.IsZero() {
		if out = t.ending(out, expires.Add(-time.Second), 0); out.status == account.Disabled {
			return out, true
		}
	}
	locked := standing{status: account.Locked, reason: account.ReasonTooManyTries}
	if computed, err := strconv.ParseInt(e.first("msDS-User-Account-Control-Computed"), 10, 64); err == nil {
		if computed&adLockedOut != 0 {
			if at := adTime(e.first("lockoutTime")); t.lockout > 0 && !at.IsZero() {
				locked.ends = at.Add(t.lockout)
			}
			return locked, true
		}
	} else if at := adTime(e.first("lockoutTime")); !at.IsZero() {
		if s, holds := t.technical(locked, at); holds {
			return s, true
		}
	}
	return out, true
}

// adTime reads a FILETIME; zero for "never", which is 0 or the greatest.
func adTime(value string) time.Time {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n == 0 || n == 1<<63-1 {
		return time.Time{}
	}
	return time.Unix(n/1e7-fileTime, n%1e7*100)
}

// judge389 reads nsAccountLock, which 389ds sets on inactivated accounts, and
// accountUnlockTime, which it sets after too many failures: the epoch stands
// for ever.
func judge389(e entry, t terms) (standing, bool) {
	if strings.EqualFold(e.first("nsAccountLock"), "true") {
		return standing{status: account.Locked, reason: account.ReasonAdministrative}, true
	}
	if until := e.first("accountUnlockTime"); until != "" {
		locked := standing{status: account.Locked, reason: account.ReasonTooManyTries}
		at, err := generalizedTime(until)
		if err != nil || at.Unix() <= 0 {
			return locked, true
		}
		if locked.ends = at; t.now.Before(at) {
			return locked, true
		}
	}
	return standing{status: account.Active}, e.first("nsAccountLock") != ""
}

// generalizedTime reads the forms of RFC 4517 3.3.13 that servers write.
func generalizedTime(value string) (time.Time, error) {
	at, err := time.Parse("20060102150405Z0700", value)
	if err != nil {
		at, err = time.Parse("20060102150405.999999999Z0700", value)
	}
	return at, err
}
