package operator_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// The mark of a campaign that the manual names does what it says on OpenLDAP:
// the password still is right, and opens nothing before another is chosen.
func TestForceOnOpenLDAP(t *testing.T) {
	services := fixtures.Services{Reader: secret.Random(22), Writer: secret.Random(22)}
	server := slapdtest.Start(t, slapdtest.Options{Schema: fixtures.Schema, Policy: "pwdMustChange: TRUE",
		Trees: []slapdtest.Tree{{Suffix: fixtures.UniversitySuffix, LDIF: fixtures.University(theDay, services)}}})
	config := ldap.Config{URLs: []string{server.URL}, Base: "ou=people," + fixtures.UniversitySuffix, Preset: "supann",
		BindDN: fixtures.ReaderDN(fixtures.UniversitySuffix), BindPassword: secret.New(services.Reader),
		WriteDN: fixtures.WriterDN(fixtures.UniversitySuffix), WritePassword: secret.New(services.Writer)}
	config.Attributes.Editable = []string{"pwdReset"}
	d, err := config.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.(io.Closer).Close() })
	force := operator.Force{Attribute: "pwdReset", Value: "TRUE"}
	who, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	login := func(password string) error { return d.Authenticate(t.Context(), who, secret.New(password)) }
	if err := login("Valmont-elefevre-2026"); err != nil {
		t.Fatal(err)
	}
	if err := d.(directory.Editor).Edit(t.Context(), who.ID, force.Attribute, nil, []string{force.Value}); err != nil {
		t.Fatal(err)
	}
	if err := login("Valmont-elefevre-2026"); !errors.Is(err, directory.ErrMustChange) {
		t.Errorf("with the old password: %v", err)
	}
	if err := d.(directory.Editor).Edit(t.Context(), who.ID, force.Attribute, nil, []string{force.Value}); !errors.Is(err, directory.ErrConflict) {
		t.Errorf("marked again: %v", err)
	}
	if err := d.(directory.Editor).Edit(t.Context(), who.ID, force.Attribute, []string{force.Value}, []string{force.Value}); err != nil {
		t.Errorf("it is not marked: %v", err)
	}
	if err := d.SetPassword(t.Context(), who.ID, secret.New("girafe-tambour-olive-77")); err != nil {
		t.Fatal(err)
	}
	if err := login("girafe-tambour-olive-77"); err != nil {
		t.Errorf("with the new one: %v", err)
	}
}

// R14: on OpenLDAP too a lock in the entry is lifted, and a contact frozen, with
// the rights that an account for changes has.
func TestLiftAndFreezeOnOpenLDAP(t *testing.T) {
	services := fixtures.Services{Reader: secret.Random(22), Writer: secret.Random(22)}
	server := slapdtest.Start(t, slapdtest.Options{Schema: fixtures.Schema, Trees: []slapdtest.Tree{{Suffix: fixtures.UniversitySuffix, LDIF: fixtures.University(theDay, services)}}})
	config := ldap.Config{URLs: []string{server.URL}, Base: "ou=people," + fixtures.UniversitySuffix, Preset: "supann", Now: func() time.Time { return theDay },
		BindDN: fixtures.ReaderDN(fixtures.UniversitySuffix), BindPassword: secret.New(services.Reader),
		WriteDN: fixtures.WriterDN(fixtures.UniversitySuffix), WritePassword: secret.New(services.Writer)}
	config.Attributes.Frozen = "description"
	d, err := config.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.(io.Closer).Close() })
	for login, reason := range map[string]account.Reason{"cbernard": account.ReasonSecurity, "tmoreau": account.ReasonAdministrative} {
		who, err := d.Find(t.Context(), login)
		if err != nil || who.Status != account.Locked || who.Reason != reason {
			t.Fatalf("%s: %s (%s), %v", login, who.Status, who.Reason, err)
		}
		if err := d.(directory.Lifter).Lift(t.Context(), who.ID, reason); err != nil {
			t.Fatal(err)
		}
		if err := d.(directory.Freezer).Freeze(t.Context(), who.ID, who.Contacts[0], true); err != nil {
			t.Fatal(err)
		}
		if now, err := d.Get(t.Context(), who.ID); err != nil || now.Status != account.Active || !now.Contacts[0].Frozen {
			t.Errorf("%s: %s, %+v, %v", login, now.Status, now.Contacts, err)
		}
	}
}
