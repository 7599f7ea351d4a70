package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// R53, R57: what an application of two protocols would be told, and why.
func TestCheckService(t *testing.T) {
	environment(t)
	const url = "http://nuage.univ-valmont.example/login.php;jsessionid=1?ticket=ST-1"
	status, out, errs := run(t, "check", "--config", "testdata/working_whole.yaml", "--service", url, "--service", "nuage", "--login", "ELEFEVRE")
	if errs != "" {
		t.Error(errs)
	}
	for _, want := range []string{
		"ok       service    " + url + ` is Nuage, by the pattern https://nuage\.univ-valmont\.example/(index|login)\.php of cas` + "\n",
		"ok       service    nuage is Nuage, by the id nuage of oidc\n",
		"Nuage (cas): may enter: the account is active; access: yes: all of (yes: eduPersonAffiliation is one of student, employee; ",
		`Nuage (cas): displayname = "Élodie Lefèvre"`, `Nuage (oidc): displayName = "Élodie Lefèvre"`,
		`Nuage (cas): uai = "VALMONT"`, `Nuage (oidc): uai = "VALMONT"`,
		`Nuage (cas): groups = "student;member"`, `Nuage (oidc): organisation = "Valmont"`,
		`Nuage (oidc): email = "elodie.lefevre@etu.univ-valmont.example"`, `Nuage (oidc): sub = "`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	users := map[string]bool{}
	for line := range strings.Lines(out) {
		for _, name := range []string{": user = ", ": preferred_username = "} {
			if _, user, ok := strings.Cut(line, name); ok {
				users[user] = true
			}
		}
	}
	if len(users) != 1 || strings.Contains(out, `"elefevre"`) {
		t.Errorf("not one opaque name on both protocols: %v", users)
	}
	if status != 1 { // no SMTP server answers at the name of the example
		t.Errorf("status %d", status)
	}
}

func TestImportApereo(t *testing.T) {
	dir := t.TempDir()
	service := `{"@class": "org.apereo.cas.services.CasRegisteredService", "name": "Wiki", "id": 1, "serviceId": "^https://wiki\\.example/.*", "theme": "x"}`
	if err := os.WriteFile(filepath.Join(dir, "Wiki-1.json"), []byte(service), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := run(t, "import", "apereo", dir)
	if want := "protocols:\n  cas:\n    services:\n    - name: Wiki\n      prefix: https://wiki.example/\n"; status != 0 || out != want {
		t.Errorf("status %d, %s", status, out)
	}
	if !strings.Contains(errs, "Wiki (Wiki-1.json)\n  theme: no equal, left out\n  taken over: prefix https://wiki.example/\n") {
		t.Error(errs)
	}
	if status, _, errs := run(t, "import", "apereo", filepath.Join(dir, "none")); status != 1 || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d, %q", status, errs)
	}
}
