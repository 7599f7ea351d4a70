package ldap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// values reads an attribute behind the directory's back.
func values(t *testing.T, c ldap.Config, attribute string) []string {
	t.Helper()
	raw, err := c.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn := goldap.NewConn(raw, false)
	conn.Start()
	defer conn.Close()
	if err := conn.Bind(c.BindDN, c.BindPassword.Reveal()); err != nil {
		t.Fatal(err)
	}
	found, err := conn.Search(goldap.NewSearchRequest("cn=jo,"+c.Base, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil {
		t.Fatal(err)
	}
	out := found.Entries[0].GetAttributeValues(attribute)
	slices.Sort(out)
	return out
}

// Activation rewrites the value labelled {COMPTE} and nothing beside it.
func TestActivate_R7(t *testing.T) {
	config := one(t, "supann", `
supannRessourceEtat: {MAIL}I:SupannInactif
supannRessourceEtat: {COMPTE}I:SupannPrecree
supannRessourceEtatDate: {MAIL}I:SupannInactif:20260101:
supannRessourceEtatDate: {COMPTE}I:SupannPrecree:20260701:20261101`)
	d := open(t, config)
	if err := d.Activate(t.Context(), "0b2f8e01@one.example"); err != nil {
		t.Fatal(err)
	}
	for attribute, want := range map[string][]string{
		"supannRessourceEtat":     {"{COMPTE}A:SupannActif", "{MAIL}I:SupannInactif"},
		"supannRessourceEtatDate": {"{COMPTE}A:SupannActif:20260915:", "{MAIL}I:SupannInactif:20260101:"},
	} {
		if diff := cmp.Diff(want, values(t, config, attribute)); diff != "" {
			t.Errorf("%s: %s", attribute, diff)
		}
	}
}

// Somebody else writes between the read and the change: the change is refused
// by the server (error 16), and what is there now decides.
func TestActivateMeanwhile_R7_R12(t *testing.T) {
	for meanwhile, want := range map[string]account.Status{
		"{COMPTE}I:SupannCree":                account.Active,
		"{COMPTE}S:SupannVerrouAdministratif": account.Locked,
	} {
		config := one(t, "supann", "supannRessourceEtat: {COMPTE}I:SupannPrecree")
		server := config.Dial
		raw, err := server(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		other := goldap.NewConn(raw, false)
		other.Start()
		defer other.Close()
		if err := other.Bind(config.BindDN, config.BindPassword.Reveal()); err != nil {
			t.Fatal(err)
		}
		tries := 0
		config.Observe = func(op string) {
			if op != "modify" {
				return
			}
			if tries++; tries == 1 {
				change := goldap.NewModifyRequest("cn=jo,"+config.Base, nil)
				change.Replace("supannRessourceEtat", []string{meanwhile})
				if err := other.Modify(change); err != nil {
					t.Error(err)
				}
			}
		}
		d := open(t, config)
		if err := d.Activate(t.Context(), "0b2f8e01@one.example"); err != nil {
			t.Errorf("meanwhile %s: %v", meanwhile, err)
		}
		if a, err := d.Find(t.Context(), "jo"); err != nil || a.Status != want {
			t.Errorf("meanwhile %s: %s, %v; want %s", meanwhile, a.Status, err, want)
		}
	}
}

func TestActiveDirectory(t *testing.T) {
	config := one(t, "active-directory", "userAccountControl: 512\nlockoutTime: 133000000000000000")
	d := open(t, config)
	a, err := d.Find(t.Context(), "JO")
	if err != nil {
		t.Fatal(err)
	}
	if want := account.ID("04030201-0605-0807-090a-0b0c0d0e0f10"); a.ID != want {
		t.Errorf("ID %s; want %s, as Active Directory writes it", a.ID, want)
	}
	if again, err := d.Get(t.Context(), a.ID); err != nil || again.Handle != a.Handle {
		t.Errorf("Get by objectGUID: %q, %v", again.Handle, err)
	}
	if a.Status != account.Locked {
		t.Errorf("%s; want it locked", a.Status)
	}
	if err := d.Unlock(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0"}, values(t, config, "lockoutTime")); diff != "" {
		t.Error(diff)
	}
	if err := d.SetPassword(t.Context(), a.ID, secret.New("Été😀2026")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{unicodePwd("Été😀2026")}, values(t, config, "unicodePwd")); diff != "" {
		t.Error(diff)
	}
}

// unicodePwd is a password as Active Directory takes it: quoted, in UTF-16LE.
func unicodePwd(password string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

// passwordPolicy is a control of an answer, with one error or none.
func passwordPolicy(code int) *ber.Packet {
	value := ber.NewSequence("")
	if code >= 0 {
		value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, string(rune(code)), ""))
	}
	control := ber.NewSequence("")
	control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, goldap.ControlTypeBeheraPasswordPolicy, ""))
	control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(value.Bytes()), ""))
	list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	list.AppendChild(control)
	return list
}

// withControl puts controls behind an answer.
func withControl(answer []byte, controls *ber.Packet) []byte {
	m := ber.DecodePacket(answer)
	out := ber.NewSequence("")
	out.AppendChild(m.Children[0])
	out.AppendChild(m.Children[1])
	out.AppendChild(controls)
	return out.Bytes()
}

// What servers say to a bind, and what it means.
func TestBindAnswers(t *testing.T) {
	ad := func(data string) string {
		return "80090308: LdapErr: DSID-0C090446, comment: AcceptSecurityContext error, data " + data + ", v3839\x00"
	}
	for name, c := range map[string]struct {
		code   int64
		text   string
		policy int // -1: no error in the control
		want   error
	}{
		"right":                              {0, "", -1, nil},
		"right, after a reset":               {0, "", 2, directory.ErrMustChange},
		"wrong":                              {49, "", -1, directory.ErrBadPassword},
		"expired":                            {49, "", 0, directory.ErrMustChange},
		"locked by the policy":               {49, "", 1, directory.ErrLocked},
		"AD wrong":                           {49, ad("52e"), -1, directory.ErrBadPassword},
		"AD no such":                         {49, ad("525"), -1, directory.ErrBadPassword},
		"AD must change":                     {49, ad("773"), -1, directory.ErrMustChange},
		"AD expired password":                {49, ad("532"), -1, directory.ErrMustChange},
		"AD locked":                          {49, ad("775"), -1, directory.ErrLocked},
		"AD disabled":                        {49, ad("533"), -1, directory.ErrBadPassword},
		"AD expired account":                 {49, ad("701"), -1, directory.ErrBadPassword},
		"389ds retry limit":                  {19, "Exceed password retry limit. Please try later.", -1, directory.ErrLocked},
		"389ds inactivated":                  {53, "Account inactivated. Contact system administrator.", -1, directory.ErrBadPassword},
		"no password":                        {48, "", -1, directory.ErrBadPassword},
		"gone":                               {32, "", -1, directory.ErrBadPassword},
		"busy":                               {51, "", -1, directory.ErrUnavailable},
		"unavailable":                        {52, "", -1, directory.ErrUnavailable},
		"asks for TLS":                       {13, "confidentiality required", -1, directory.ErrUnavailable},
		"operations error":                   {1, "", -1, directory.ErrUnavailable},
		"a code that nobody has heard of":    {4242, "", -1, directory.ErrUnavailable},
		"a policy error nobody has heard of": {49, "", 99, directory.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			server := startFake(t, answers{goldap.ApplicationBindRequest: func(id int64) []byte {
				return withControl(message(id, goldap.ApplicationBindResponse, c.code, c.text), passwordPolicy(c.policy))
			}})
			config := networks[0].config()
			config.URLs = []string{server.url}
			err := open(t, config).Authenticate(t.Context(), account.Account{Handle: "uid=x,dc=y", Status: account.Active}, secret.New("hunter2-hunter2"))
			if !errors.Is(err, c.want) {
				t.Errorf("%v; want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

// What a real policy refuses, with its reason.
func TestRejections(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{Policy: policy + "pwdMinAge: 3600\n"})
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ password, why string }{
		{"short", "too_short"},
		{"first and good", ""},
		{"second in an hour", "too_young"},
	} {
		err := d.SetPassword(t.Context(), a.ID, secret.New(c.password))
		var why *directory.Rejection
		if errors.As(err, &why); (why == nil && (c.why != "" || err != nil)) || (why != nil && why.Why != c.why) {
			t.Errorf("SetPassword(%q): %v; want %q", c.password, err, c.why)
		}
	}
	d = open(t, func() ldap.Config {
		config := n.config()
		config.URLs = []string{n.slapd(t, slapdtest.Options{Policy: policy}).URL}
		return config
	}())
	for i, c := range []struct{ password, why string }{
		{"the first one 1", ""}, {"the second one 2", ""}, {"the first one 1", "in_history"},
	} {
		err := d.SetPassword(t.Context(), a.ID, secret.New(c.password))
		var why *directory.Rejection
		if errors.As(err, &why); (why == nil && (c.why != "" || err != nil)) || (why != nil && why.Why != c.why) {
			t.Errorf("SetPassword %d: %v; want %q", i, err, c.why)
		}
	}
}

// A policy that asks for a change after an administrator's reset does not ask
// the person who has just chosen.
func TestNoChangeAfterOwnChoice(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{Policy: policy})
	root := dialURL(t, server.URL)
	t.Cleanup(func() { root.Close() })
	if err := root.Bind("cn=root,"+n.suffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	reset := goldap.NewPasswordModifyRequest("uid=elefevre,ou=people,"+n.suffix, "", "given by the desk")
	if _, err := root.PasswordModify(reset); err != nil {
		t.Fatal(err)
	}
	for _, writer := range []struct {
		dn       string
		password secret.String
	}{
		{n.config().WriteDN, n.config().WritePassword},
		{"cn=root," + n.suffix, secret.New(slapdtest.RootPassword)},
	} {
		config := n.config()
		config.URLs = []string{server.URL}
		config.WriteDN, config.WritePassword = writer.dn, writer.password
		d := open(t, config)
		a, err := d.Find(t.Context(), "elefevre")
		if err != nil {
			t.Fatal(err)
		}
		if writer.dn == n.config().WriteDN {
			if err := d.Authenticate(t.Context(), a, secret.New("given by the desk")); !errors.Is(err, directory.ErrMustChange) {
				t.Errorf("after the reset: %v; want ErrMustChange", err)
			}
		}
		chosen := secret.New("chosen through " + writer.dn)
		if err := d.SetPassword(t.Context(), a.ID, chosen); err != nil {
			t.Fatal(err)
		}
		if err := d.Authenticate(t.Context(), a, chosen); err != nil {
			t.Errorf("set as %s: %v", writer.dn, err)
		}
	}
}

func TestPasswordChangeModify(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{Policy: policy})
	config := n.config()
	config.URLs, config.PasswordChange = []string{server.URL}, "modify"
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	var why *directory.Rejection
	if err := d.SetPassword(t.Context(), a.ID, secret.New("short")); !errors.As(err, &why) || why.Why != "too_short" {
		t.Errorf("a short one: %v", err)
	}
	if err := d.SetPassword(t.Context(), a.ID, secret.New("long enough")); err != nil {
		t.Fatal(err)
	}
	if err := d.Authenticate(t.Context(), a, secret.New("long enough")); err != nil {
		t.Error(err)
	}
}

// Without the right to write, nothing is said to be done.
func TestNoRight(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	config := n.config()
	config.URLs = []string{server.URL}
	config.WriteDN, config.WritePassword = config.BindDN, config.BindPassword
	d := open(t, config)
	a, err := d.Find(t.Context(), "zmartinez")
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"SetPassword": d.SetPassword(t.Context(), a.ID, secret.New("never stored")),
		"Activate":    d.Activate(t.Context(), a.ID),
	} {
		if err == nil || errors.Is(err, directory.ErrRejected) || errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v; want a fault of its own", what, err)
		}
	}
}
