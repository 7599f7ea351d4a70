package cli

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/server"
)

func importCommand(plugins server.Plugins) *cobra.Command {
	parent := &cobra.Command{Use: "import", Short: "Take over the applications of another server", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	for _, name := range slices.Sorted(maps.Keys(plugins.Imports)) {
		parent.AddCommand(&cobra.Command{
			Use:   name + " DIR|FILE...",
			Short: "Write the configuration that says what service files of " + name + " say; what has no equal is told on standard error",
			Args:  cobra.MinimumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				return plugins.Imports[name](args, c.OutOrStdout(), c.ErrOrStderr())
			},
		})
	}
	return parent
}
