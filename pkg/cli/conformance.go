package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/conformance"
	"github.com/loge-idp/loge/pkg/conformance/cas"
	"github.com/loge-idp/loge/pkg/plugin"
)

func conformanceCommand() *cobra.Command {
	c := &cobra.Command{Use: "conformance", Short: "Try any server, from outside, rule by rule", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(casConformanceCommand())
	return c
}

func casConformanceCommand() *cobra.Command {
	var o cas.Options
	var roots, junit, authority string
	c := &cobra.Command{
		Use:   "cas --target URL --username NAME --password PASSWORD",
		Short: "Try a CAS server against every rule of CAS 3.0.3",
		Long: `Try a CAS server against every rule of CAS 3.0.3 that can be seen from outside.

The suite signs in as the account given, and is itself the application: the
server must accept service URLs below where it listens, and trust the
certificate of --callback-ca for proxy callbacks. It ends with status 0 only if
every MUST and SHOULD holds.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Roots, err = plugin.Authorities(roots); err != nil {
				return fmt.Errorf("--ca: %w", err)
			}
			if authority == "" {
				if authority, err = cas.AuthorityFile(); err != nil {
					return err
				}
			}
			if o.Authority, err = cas.LoadAuthority(authority); err != nil {
				return fmt.Errorf("--callback-ca: %w", err)
			}
			report, err := cas.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if err := errors.Join(report.Write(c.OutOrStdout()), writeJUnit(junit, report)); err != nil {
				return err
			}
			if !report.OK() {
				return errFindings
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Target, "target", "", "base URL of the server, like https://cas.example/cas")
	f.StringVar(&o.Username, "username", "", "account to sign in with")
	f.StringVar(&o.Password, "password", "", "its password")
	f.StringSliceVar(&o.Only, "only", nil, "ids of the cases to run, separated by commas; L3 is all of L3.1, L3.2…")
	f.StringVar(&junit, "junit", "", "also write the report to this file, as JUnit XML")
	f.StringVar(&o.Unregistered, "unregistered-service", "", "service URL that the server must refuse (default https://unregistered.invalid/app)")
	f.BoolVar(&o.Open, "open", false, "the server takes every service: do not try that it refuses others")
	f.BoolVar(&o.Insecure, "insecure", false, "do not verify the certificate of the server")
	f.StringVar(&roots, "ca", "", "certificates to trust of the server, PEM, instead of the system's")
	f.StringVar(&o.Listen, "listen", "", "address for services over HTTP (default "+cas.Listen+")")
	f.StringVar(&o.ListenTLS, "listen-tls", "", "address for proxy callbacks and services over HTTPS (default "+cas.ListenTLS+")")
	f.StringVar(&o.ServiceURL, "service-url", "", "base URL by which the server reaches --listen (default http://ADDRESS)")
	f.StringVar(&o.CallbackURL, "callback-url", "", "base URL by which the server reaches --listen-tls (default https://ADDRESS)")
	f.StringVar(&authority, "callback-ca", "", "certificate that the server trusts for callbacks, PEM; made, with its key in FILE.key, when missing (default loge/conformance-ca.pem in the user's folder of caches)")
	f.DurationVar(&o.Patience, "patience", 0, "how long a logout message may take (default 10s)")
	for _, name := range []string{"target", "username", "password"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was just made
		}
	}
	return c
}

// writeJUnit writes a report for machines, where a file for it is given.
func writeJUnit(file string, report *conformance.Report) (err error) {
	if file == "" {
		return nil
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return report.WriteJUnit(out)
}
