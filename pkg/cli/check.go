package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/server"
)

func checkCommand(plugins server.Plugins) *cobra.Command {
	var file string
	var about server.Question
	c := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with a configuration and with what it names, and how to mend it",
		Long: `Say what is wrong with a configuration and with what it names, and how to mend it.

With --login: what the account can do, and what is told of it to whom, by name.
With --service: whose a service URL or a client identifier is. Given twice: also
whether CAS takes the two for the same, and where they differ.
With both: the values that the application is told, or why the account may not
enter it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := server.Load(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%-8s %-10s %s\n", "ok", "file", file+" is well-formed")
			logger := slog.New(slog.DiscardHandler) // everything is in the findings
			return report(c.OutOrStdout(), server.Check(c.Context(), config, plugins, logger, about))
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&about.Login, "login", "", "also say what the account with this login can do")
	c.Flags().StringArrayVar(&about.Applications, "service", nil, "also say whose this service URL or client identifier is")
	return c
}

func report(out io.Writer, findings []server.Finding) error {
	problems := 0
	for _, f := range findings {
		verdict, mend := "ok", ""
		if !f.OK {
			verdict = "problem"
			problems++
			if f.Mend != "" {
				mend = " — " + f.Mend
			}
		}
		fmt.Fprintf(out, "%-8s %-10s %s%s\n", verdict, f.Part, f.What, mend)
	}
	if problems > 0 {
		return errFindings
	}
	return nil
}
