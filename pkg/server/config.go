package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/sms/guard"
	"github.com/loge-idp/loge/pkg/web"
)

// Config is the whole of a configuration file. A program may also fill it in
// itself.
type Config struct {
	// Issuer is the one public URL of the server, without a slash at its end:
	// https, or http on a loopback address. Required.
	Issuer string `json:"issuer"`
	// Listen is the address to listen on, host:port; "127.0.0.1:8080" when
	// empty. TLS is the business of a reverse proxy.
	Listen string `json:"listen"`
	// Metrics is where the numbers of this replica are read.
	Metrics Metrics `json:"metrics"`
	// Proxies are the networks of reverse proxies whose X-Forwarded-For is
	// believed, like "10.0.0.0/8".
	Proxies []string `json:"proxies"`
	// Keys is the directory of the server's keys, as `loge keys new` makes it,
	// relative to the file.
	Keys string `json:"keys"`
	// Signing says who rotates the keys that sign tokens.
	Signing Signing `json:"signing"`
	// Site is whose house this is.
	Site render.Site `json:"site"`
	// Templates is a directory with templates that replace the shipped ones,
	// relative to the file; none when empty.
	Templates string `json:"templates"`

	Directory plugin.Section `json:"directory"` // required
	Store     plugin.Section `json:"store"`     // required
	Mail      plugin.Section `json:"mail"`      // required by recovery
	SMS       plugin.Section `json:"sms"`
	// SMSLimits are the numbers and budgets of text messages.
	SMSLimits guard.Limits `json:"smsLimits"`
	// Protocols are sections by the name of their plugin.
	Protocols map[string]plugin.Section `json:"protocols"`
	// Applications are those that several protocols share. A protocol that is
	// named here needs no section of its own.
	Applications []Application `json:"applications"`
	Recovery     Recovery      `json:"recovery"`
	Session      Session       `json:"session"`
	Login        Login         `json:"login"`
	Desk         Desk          `json:"desk"`
	// Steps stand between credentials and entering.
	Steps portal.Steps `json:"steps"`
	// Account is what people may do with their own account.
	Account Account `json:"account"`
	// Establishments are those of a network of schools between which people may
	// change.
	Establishments login.Network `json:"establishments"`
	// Lifecycle is how accounts end, and who is told before.
	Lifecycle lifecycle.Config `json:"lifecycle"`

	// KeyMaterial replaces Keys, for programs that keep their keys elsewhere.
	KeyMaterial *Keys `json:"-"`

	source  *source
	proxies []netip.Prefix
}

// Recovery is how people get back in.
type Recovery struct {
	// Methods are the ways to prove who one is, the preferred one first. None:
	// no way back in is offered.
	Methods []plugin.Section `json:"methods"`
	// Ways say which proofs, or combinations of them, suffice for whom and for
	// what. Without any, each method does by itself.
	Ways []recovery.Way `json:"ways"`
	// Contacts are the kinds of rescue address that are asked for at
	// activation where there is none: "email", "phone". Unset: a mail address.
	Contacts []account.ContactKind `json:"contacts"`
	// Preset shortens what the methods allow: "asvs-l2"; none when empty.
	Preset recovery.Preset `json:"preset"`
	// Places are the networks that a notice of a change calls by a name.
	Places []recovery.Place `json:"places"`
	// Password is what a new password must be.
	Password password.Policy `json:"password"`
}

// Signing is where the keys that sign tokens are.
type Signing struct {
	// Every, when set, makes the server keep its signing keys in the store,
	// sealed by the master key, and replace them after that time: at least an
	// hour, better 30 days. Otherwise they are the *.pem files of Keys, which
	// `loge keys rotate` replaces.
	Every plugin.Duration `json:"every"`
}

// Account is what people may do with their own account, beyond what everybody
// may.
type Account struct {
	// Fields are the attributes that they may change.
	Fields portal.Fields `json:"fields"`
}

// Session is how long people stay signed in.
type Session struct {
	Idle     plugin.Duration `json:"idle"`     // without being used; default 2h
	Life     plugin.Duration `json:"life"`     // whatever its use; default 12h
	Remember plugin.Duration `json:"remember"` // "stay signed in"; default 30 days
}

// Login is how credentials are asked for.
type Login struct {
	// Floor is the least duration of a wrong answer, so that whether an account
	// exists cannot be told by the clock: longer than the directory takes to
	// refuse a password; default 300 ms.
	Floor plugin.Duration `json:"floor"`
}

// Load reads a configuration file in YAML. An error is one line with the
// file, the line, the key and what is wrong: "loge.yaml:12: issuer: …".
func Load(file string) (Config, error) {
	s, err := read(file)
	if err != nil {
		return Config{}, err
	}
	c := Config{source: s}
	if err := plugin.Strict(s.json, &c); err != nil {
		return Config{}, s.at("", err)
	}
	for _, path := range []*string{&c.Keys, &c.Templates, (*string)(&c.Recovery.Password.Breached)} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(file), *path)
		}
	}
	return c.check()
}

// check looks at what can be judged without opening anything.
func (c Config) check() (Config, error) {
	c.Issuer = strings.TrimSuffix(c.Issuer, "/")
	issuer, err := web.ParseIssuer(c.Issuer)
	switch {
	case c.Issuer == "":
		return c, c.source.at("issuer", errors.New(`is missing; write the one public URL of this server, like "https://auth.example.fr"`))
	case err != nil:
		return c, c.source.at("issuer", unprefixed("issuer", err))
	}
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return c, c.source.at("listen", errors.New(`must be host:port, like "127.0.0.1:8080"`))
	case issuer.Scheme == "http" && !web.Loopback(host):
		return c, c.source.at("listen", errors.New("plain http is for a loopback address only; make issuer the https URL of the reverse proxy in front"))
	}
	if at := c.Metrics.Listen; at != "" {
		if _, _, err := net.SplitHostPort(at); err != nil || at == c.Listen {
			return c, c.source.at("metrics.listen", errors.New(`must be host:port other than listen, like "127.0.0.1:9090"`))
		}
	}
	c.proxies = nil
	for i, text := range c.Proxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return c, c.source.at(fmt.Sprintf("proxies[%d]", i), errors.New(`must be a network, like "10.0.0.0/8" or "192.0.2.7/32"`))
		}
		c.proxies = append(c.proxies, prefix)
	}
	if c.Keys == "" && c.KeyMaterial == nil {
		return c, c.source.at("keys", errors.New("is missing; run: loge keys new keys — then write keys: keys"))
	}
	if every := c.Signing.Every.Or(0); every != 0 && every < time.Hour {
		return c, c.source.at("signing.every", errors.New("must be at least 1h: a key is published for a while before it signs"))
	}
	for _, required := range []struct {
		key     string
		section plugin.Section
	}{{"directory", c.Directory}, {"store", c.Store}} {
		if required.section == nil {
			return c, c.source.at(required.key, errors.New("is missing; write an object with a key \"type\""))
		}
	}
	if err := c.SMSLimits.Check(); err != nil {
		return c, c.source.at("smsLimits", err)
	}
	if err := c.Recovery.Password.Validate(); err != nil {
		return c, c.source.at("recovery.password", err)
	}
	if err := c.Establishments.Validate(); err != nil {
		return c, c.source.at("establishments", err)
	}
	if err := c.Lifecycle.Validate(); err != nil {
		return c, c.source.at("lifecycle", err)
	}
	if err := c.Desk.Rules.Validate(); err != nil {
		return c, c.source.at("desk.rules", err)
	}
	return c, nil
}

// protocol is a section of Protocols as plugin.Set wants it, its name being
// its type.
func (c Config) protocol(name string) (plugin.Section, error) {
	keys := map[string]json.RawMessage{}
	if section := c.Protocols[name]; section != nil && string(section) != "null" {
		if err := json.Unmarshal(section, &keys); err != nil {
			return nil, errors.New("must be an object")
		}
	}
	if _, given := keys["type"]; given {
		return nil, plugin.At("type", errors.New("unknown key; the key of the section names the protocol"))
	}
	keys["type"], _ = json.Marshal(name)
	return json.Marshal(keys)
}

func unprefixed(key string, err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), key+": "))
}
