package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/text/unicode/norm"

	"github.com/loge-idp/loge/pkg/secret"
)

func clientCommand() *cobra.Command {
	client := &cobra.Command{Use: "client", Short: "The applications that sign people in by OpenID Connect", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var redirects []string
	add := &cobra.Command{
		Use:   "new NAME",
		Short: "Make the client_id and the client_secret of an application, and what to write into the configuration",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			printClient(c.OutOrStdout(), args[0], redirects)
			return nil
		},
	}
	add.Flags().StringArrayVar(&redirects, "redirect", []string{"https://application.example/callback"},
		"URL to which the application lets people come back; may be repeated")
	client.AddCommand(add)
	return client
}

// clientSecretLen characters of base 62 make 256 bits.
const clientSecretLen = 43

// printClient shows a new secret once: the configuration holds its hash only. A
// plain hash will do, since nobody can try 2^256 secrets.
func printClient(out io.Writer, name string, redirects []string) {
	made := secret.Random(clientSecretLen)
	id := slug(name)
	fmt.Fprintf(out, `Give these to the application. The secret is not shown again.

  client_id:     %s
  client_secret: %s

Write this into the configuration, under protocols.oidc.clients:

      - id: %s
        name: %q
        secretHash: sha256:%s
        redirectURIs:
`, id, made, id, name, secret.Hash(made))
	for _, uri := range redirects {
		fmt.Fprintf(out, "          - %q\n", uri)
	}
}

// slug makes an identifier of a name: "Bibliothèque de l’UFR" becomes
// "bibliotheque-de-l-ufr".
func slug(name string) string {
	var out strings.Builder
	for _, c := range norm.NFD.String(strings.ToLower(name)) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			out.WriteRune(c)
		case unicode.Is(unicode.Mn, c): // the accent of the letter before
		case out.Len() > 0 && !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
	}
	if id := strings.TrimSuffix(out.String(), "-"); id != "" {
		return id
	}
	return "client"
}
