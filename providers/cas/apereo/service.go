package apereo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// add takes one definition over.
func (s *sections) add(d definition, n *notes) {
	party, ok := relyingParty(d, n)
	if !ok {
		return
	}
	switch d.kind() {
	case "RegexRegisteredService", "CasRegisteredService", "RegisteredServiceImpl":
		s.addService(d, party, n)
	case "OidcRegisteredService":
		s.addClient(d, party, n)
	default:
		n.add("left out: there is no protocol here for a %s", d.kind())
	}
}

// ignored are keys that change nothing of what an application may or is told.
var ignored = []string{"@class", "id", "name", "description", "evaluationOrder", "informationUrl", "privacyUrl", "logo", "contacts"}

func (s *sections) addService(d definition, party sso.RelyingParty, n *notes) {
	service := registry.Service{RelyingParty: party}
	if err := address(&service, d.text("serviceId"), n); err != nil {
		n.add("left out: serviceId %v", err)
		return
	}
	switch d.text("logoutType") {
	case "FRONT_CHANNEL":
		service.Logout.Type = registry.FrontChannel
	case "NONE":
		service.Logout.Type = registry.NoLogout
	}
	if url := d.text("logoutUrl"); url != "" && service.Logout.Type != registry.NoLogout {
		service.Logout.URL = url
	}
	proxies(&service, d.object.object("proxyPolicy"), n)
	if _, err := registry.New([]registry.Service{service}); err != nil {
		_, reason, _ := strings.Cut(err.Error(), ": ")
		n.add("left out: %s", reason)
		return
	}
	if s.taken(service.Rule(), service.Name, n) {
		return
	}
	d.finish(n)
	n.add("taken over: %s", service.Rule())
	s.services = append(s.services, service)
}

// finish notes what is left.
func (d definition) finish(n *notes) {
	for _, key := range ignored {
		delete(d.object, key)
	}
	d.rest("", n)
}

// proxies takes a policy whose expression is a URL or a prefix.
func proxies(s *registry.Service, policy object, n *notes) {
	expression := policy.text("pattern")
	switch policy.kind() {
	case "", "RefuseRegisteredServiceProxyPolicy":
	case "RegexMatchingRegisteredServiceProxyPolicy":
		var callback registry.Service
		err := address(&callback, expression, &notes{})
		url := callback.URL + callback.Prefix
		if err != nil || url == "" || !strings.HasPrefix(url, "https://") {
			n.add("proxyPolicy: the expression is no prefix of https URLs; list them under proxy.callbacks")
			return
		}
		s.Proxy.Callbacks = []string{url}
	default:
		n.add("proxyPolicy: %s has no equal; the service may not act as a proxy", policy.kind())
	}
}

// minSecret is the least length of a client secret whose hash may lie in a
// file: 22 letters and digits are 131 bits.
const minSecret = 22

var notInNames = regexp.MustCompile(`[^A-Z0-9]+`)

// client is an item of the section oidc, whose protocol stands beside this one.
type client struct {
	sso.RelyingParty
	ID           string   `json:"id"`
	Secret       string   `json:"secret,omitempty"` // where it is, never what
	SecretHash   string   `json:"secretHash,omitempty"`
	Public       bool     `json:"public,omitempty"`
	RedirectURIs []string `json:"redirectURIs"`
	Scopes       []string `json:"scopes,omitempty"`
	Subject      string   `json:"subject,omitempty"`
}

func (s *sections) addClient(d definition, party sso.RelyingParty, n *notes) {
	c := client{RelyingParty: party, ID: d.text("clientId")}
	var uri registry.Service
	if err := address(&uri, d.text("serviceId"), &notes{}); err != nil || uri.URL == "" {
		n.add("left out: serviceId is no redirect URI but an expression; write out each URI under redirectURIs")
		return
	}
	c.RedirectURIs = []string{uri.URL}
	switch given := d.text("clientSecret"); {
	case given == "":
		c.Public = true
		n.add("clientSecret: there is none: a public client, which must use PKCE")
	case len(given) < minSecret:
		name := "LOGE_" + notInNames.ReplaceAllString(strings.ToUpper(c.ID), "_")
		c.Secret = "${env:" + name + "}"
		n.add("clientSecret: too short to be safe; make another for both sides, and set it as %s", name)
	default:
		sum := sha256.Sum256([]byte(given))
		c.SecretHash = hex.EncodeToString(sum[:])
	}
	for _, scope := range d.texts("scopes") {
		switch scope {
		case "openid", "profile", "email", "offline_access":
			c.Scopes = append(c.Scopes, scope)
		default:
			n.add("scopes: %s has no equal; name its attributes", scope)
		}
	}
	if strings.EqualFold(d.text("subjectType"), "pairwise") {
		c.Subject = "pairwise"
	}
	n.add("sub: the identifiers of people are others than before; the application sees everybody as new")
	if url := d.text("logoutUrl"); url != "" {
		n.add("logoutUrl: %s may be backchannelLogoutURI or postLogoutRedirectURIs; write it there", url)
	}
	d.finish(n)
	if c.ID == "" || s.taken("id "+c.ID, c.Name, n) {
		return
	}
	n.add("taken over: id %s", c.ID)
	s.clients = append(s.clients, c)
}

// relyingParty takes what both protocols share; false when the application must
// be left out.
func relyingParty(d definition, n *notes) (sso.RelyingParty, bool) {
	p := sso.RelyingParty{Name: d.name()}
	access, ok := accessOf(d.object.object("accessStrategy"), n)
	if !ok {
		return p, false
	}
	p.Access = access
	user(&p, d.object.object("usernameAttributeProvider"), n)
	p.Attributes = attributes(d.object.object("attributeReleasePolicy"), n)
	return p, true
}

func user(p *sso.RelyingParty, provider object, n *notes) {
	kind := provider.kind()
	switch mode := provider.text("canonicalizationMode"); mode {
	case "", "NONE":
	case "LOWER":
		p.User.Lower = true
	default:
		n.add("usernameAttributeProvider: the case %s has no equal", mode)
	}
	switch kind {
	case "", "DefaultRegisteredServiceUsernameProvider":
	case "PrincipalAttributeRegisteredServiceUsernameProvider":
		p.User.Name = provider.text("usernameAttribute")
	case "AnonymousRegisteredServiceUsernameAttributeProvider":
		p.User = sso.User{Name: sso.UserOpaque, Sector: p.Name}
		provider = nil // the salt is of no use here
		n.add("usernameAttributeProvider: opaque identifiers are others than before; the application sees everybody as new")
	default:
		n.add("usernameAttributeProvider: %s has no equal; the application is told the login", kind)
		return
	}
	provider.rest("usernameAttributeProvider.", n)
}

var ncName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func attributes(policy object, n *notes) []sso.Attribute {
	var out []sso.Attribute
	told := map[string]bool{}
	add := func(name, as string) {
		a := sso.Attribute{Name: name}
		if as != name {
			a.As = as
		}
		switch {
		case !ncName.MatchString(as):
			n.add("attributeReleasePolicy: %q cannot be told under this name; give it another by as", as)
		case told[as]:
			n.add("attributeReleasePolicy: %q is told already", as)
		default:
			told[as] = true
			out = append(out, a)
		}
	}
	switch kind := policy.kind(); kind {
	case "", "DenyAllAttributeReleasePolicy":
	case "ReturnAllowedAttributeReleasePolicy":
		for _, name := range policy.texts("allowedAttributes") {
			add(name, name)
		}
	case "ReturnMappedAttributeReleasePolicy":
		allowed := policy.object("allowedAttributes")
		for _, name := range allowed.keys() {
			for _, as := range texts(allowed[name]) {
				if strings.HasPrefix(as, "groovy") || strings.HasPrefix(as, "file:") {
					n.add("attributeReleasePolicy: the script for %s has no equal; see map, format, join and value", name)
					continue
				}
				add(name, as)
			}
		}
	default:
		n.add("attributeReleasePolicy: %s has no equal: name what is to be told under attributes", kind)
		return nil
	}
	policy.rest("attributeReleasePolicy.", n)
	return out
}

// accessOf says who may enter; false where that cannot be said here.
func accessOf(strategy object, n *notes) (account.Condition, bool) {
	switch kind := strategy.kind(); kind {
	case "", "DefaultRegisteredServiceAccessStrategy", "TimeBasedRegisteredServiceAccessStrategy":
	default:
		n.add("left out: the access rule %s has no equal; write one under access", kind)
		return account.Condition{}, false
	}
	if !strategy.flag("enabled", true) {
		n.add("left out: it is not enabled")
		return account.Condition{}, false
	}
	if !strategy.flag("ssoEnabled", true) {
		n.add("accessStrategy.ssoEnabled: no equal; the application can ask for credentials each time by renew=true")
	}
	var all []account.Condition
	required := conditions(strategy.object("requiredAttributes"), n)
	switch everyOne := strategy.flag("requireAllAttributes", true); {
	case len(required) > 1 && !everyOne:
		all = append(all, account.Condition{Any: required})
	default:
		all = append(all, required...)
	}
	for _, each := range conditions(strategy.object("rejectedAttributes"), n) {
		all = append(all, account.Condition{Not: &each})
	}
	days, err := daysOf(strategy)
	if err != nil {
		n.add("left out: %v", err)
		return account.Condition{}, false
	}
	if days.From != (account.Date{}) || days.Until != (account.Date{}) {
		n.add("accessStrategy: whole days count, not hours")
		all = append(all, days)
	}
	strategy.flag("caseInsensitive", false) // it always is here
	strategy.rest("accessStrategy.", n)
	switch len(all) {
	case 0:
		return account.Condition{}, true
	case 1:
		return all[0], true
	}
	return account.Condition{All: all}, true
}

// special are the letters by which a value is an expression for Apereo CAS.
const special = `^$*+?()[]{}|\`

func conditions(attributes object, n *notes) []account.Condition {
	var out []account.Condition
	for _, name := range attributes.keys() {
		values := texts(attributes[name])
		for _, v := range values {
			if strings.ContainsAny(v, special) {
				n.add("accessStrategy: a value of %s is an expression; here it is compared as it stands, so that nobody may have it", name)
			}
		}
		// Without values it would be held by everybody who has the attribute.
		out = append(out, account.Condition{Attribute: name, In: append([]string{}, values...)})
	}
	return out
}

func daysOf(strategy object) (account.Condition, error) {
	var days account.Condition
	for key, day := range map[string]*account.Date{"startingDateTime": &days.From, "endingDateTime": &days.Until} {
		text := strategy.text(key)
		if text == "" {
			continue
		}
		if len(text) > len("2026-09-01") {
			text = text[:len("2026-09-01")]
		}
		parsed, err := account.ParseDate(text)
		if err != nil {
			return days, fmt.Errorf("accessStrategy.%s cannot be read", key)
		}
		*day = parsed
	}
	return days, nil
}
