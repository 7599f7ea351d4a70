package cli_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/cli"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
)

// R-AUTH-24: a secret is made, not chosen, and the file holds only its hash.
func TestClientNew(t *testing.T) {
	run := func(args ...string) string {
		var out, errs bytes.Buffer
		if code := cli.Run(t.Context(), server.Plugins{}, append([]string{"client", "new"}, args...), &out, &errs); code != 0 {
			t.Fatalf("%d: %s", code, errs.String())
		}
		return out.String()
	}
	text := run("Bibliothèque de l’UFR « Lettres »", "--redirect", "https://a.example/cb", "--redirect", "https://b.example/cb")
	found := regexp.MustCompile(`client_secret: (\S+)`).FindStringSubmatch(text)
	if found == nil || len(found[1]) < 43 {
		t.Fatalf("no secret in:\n%s", text)
	}
	_, file, _ := strings.Cut(text, "protocols.oidc.clients:")
	if strings.Contains(file, found[1]) || !strings.Contains(file, "secretHash: sha256:"+secret.Hash(found[1])) {
		t.Errorf("the file holds the secret, or not its hash:\n%s", file)
	}
	for _, want := range []string{"- id: bibliotheque-de-l-ufr-lettres\n", "https://a.example/cb", "https://b.example/cb"} {
		if !strings.Contains(file, want) {
			t.Errorf("no %q in:\n%s", want, file)
		}
	}
	if again := run("Bibliothèque"); strings.Contains(again, found[1]) {
		t.Error("the same secret twice")
	}
	if !strings.Contains(run("«»"), "client_id:     client\n") {
		t.Error("a name without letters has no id")
	}
}
