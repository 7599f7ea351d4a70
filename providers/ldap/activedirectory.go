package ldap

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"
)

// adExpired reports whether a password is too old for the policy that applies to
// it, a fine-grained one included: the computed bits know, and nobody else does
// without the right to read policies (UF_PASSWORD_EXPIRED, MS-ADTS 3.1.1.4.5.17).
func adExpired(e entry) bool {
	computed, err := strconv.ParseInt(e.first("msDS-User-Account-Control-Computed"), 10, 64)
	return err == nil && computed&0x800000 != 0
}

// adRules are those of Active Directory for the password of one account: of
// the fine-grained policy that applies to it, else of the domain (MS-SAMR
// 3.1.1.7.1).
type adRules struct {
	length  int // in UTF-16 units
	complex bool
	age     time.Duration // that a password must have before the person changes it
}

// adReason is why Active Directory refused a password, which it does not say:
// what can be told from the rules, where the account that searches may read
// them. A person's own change is held to history and age too.
func (k *desk) adReason(chosen string, own bool) string {
	user, ok := k.readOf(k.dn, "msDS-ResultantPSO", "pwdLastSet", "sAMAccountName", "displayName")
	if !ok {
		return "other"
	}
	rules, ok := k.adRules(user.first("msDS-ResultantPSO"))
	switch set := adTime(user.first("pwdLastSet")); {
	case !ok:
		return "other"
	case len(utf16.Encode([]rune(chosen))) < rules.length:
		return "too_short"
	case rules.complex && !complexFor(user, chosen):
		return "weak"
	case !own:
		return "other"
	case !set.IsZero() && k.dir.now().Before(set.Add(rules.age)):
		return "too_young"
	}
	return "in_history"
}

// adRules reads a fine-grained policy by its name, and that of the domain when
// there is none (MS-ADTS 3.1.1.4.5.36).
func (k *desk) adRules(policy string) (adRules, bool) {
	if policy != "" {
		e, ok := k.readOf(policy, "msDS-MinimumPasswordLength", "msDS-PasswordComplexityEnabled", "msDS-MinimumPasswordAge")
		length, err := strconv.Atoi(e.first("msDS-MinimumPasswordLength"))
		return adRules{length, strings.EqualFold(e.first("msDS-PasswordComplexityEnabled"), "TRUE"), adSpan(e.first("msDS-MinimumPasswordAge"))}, ok && err == nil
	}
	e, ok := k.readOf(domainOf(k.dn), "minPwdLength", "pwdProperties", "minPwdAge")
	length, err := strconv.Atoi(e.first("minPwdLength"))
	properties, _ := strconv.Atoi(e.first("pwdProperties"))
	return adRules{length, properties&adComplex != 0, adSpan(e.first("minPwdAge"))}, ok && err == nil
}

// adComplex is DOMAIN_PASSWORD_COMPLEX in pwdProperties (MS-SAMR 2.2.1.1).
const adComplex = 0x1

// adSpan reads a duration, which is a negative number of 100 ns (MS-ADTS
// 3.1.1.4.3).
func adSpan(value string) time.Duration {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < -(1<<63-1)/100 {
		return 0
	}
	return time.Duration(-n) * 100
}

// domainOf is what a name ends with.
func domainOf(dn string) string {
	parsed, err := goldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	first := slices.IndexFunc(parsed.RDNs, func(r *goldap.RelativeDN) bool { return strings.EqualFold(r.Attributes[0].Type, "DC") })
	if first < 0 {
		return dn
	}
	return (&goldap.DN{RDNs: parsed.RDNs[first:]}).String()
}

// complexFor is the rule of complexity: three of five kinds of characters, and
// no part of the person's names (MS-SAMR 3.1.1.7.2).
func complexFor(user entry, password string) bool {
	var kinds [5]bool
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			kinds[0] = true
		case unicode.IsLower(r):
			kinds[1] = true
		case unicode.IsDigit(r):
			kinds[2] = true
		case unicode.IsLetter(r):
			kinds[3] = true
		default:
			kinds[4] = true
		}
	}
	count := 0
	for _, has := range kinds {
		if has {
			count++
		}
	}
	names := append(strings.FieldsFunc(user.first("displayName"), func(r rune) bool { return strings.ContainsRune(",.-_ #\t", r) }), user.first("sAMAccountName"))
	return count >= 3 && !slices.ContainsFunc(names, func(name string) bool {
		return len([]rune(name)) >= 3 && strings.Contains(strings.ToLower(password), strings.ToLower(name))
	})
}

// readOf reads an entry as the account that searches.
func (k *desk) readOf(dn string, attributes ...string) (entry, bool) {
	result, err := k.dir.searches.search(k.ctx, k.dir.look(dn, "(objectClass=*)", attributes...))
	if err != nil || len(result.Entries) != 1 {
		return nil, false
	}
	return readEntry(result.Entries[0]), true
}
