package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/signing"
)

func keysCommand() *cobra.Command {
	keys := &cobra.Command{Use: "keys", Short: "The keys of a server", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	keys.AddCommand(newKeysCommand(), rotateKeysCommand(), listKeysCommand())
	return keys
}

func newKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new DIR",
		Short: "Make the keys of a server, in a directory that only its owner can read",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := server.NewKeys(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: a master key and %d signing keys. Every replica needs the same; keep a copy in a safe place.\n",
				args[0], len(signing.Algorithms))
			return nil
		},
	}
}

func rotateKeysCommand() *cobra.Command {
	var lead time.Duration
	c := &cobra.Command{
		Use:   "rotate DIR",
		Short: "Add the next keys, to be used later, and remove those that ended long ago",
		Long: `Add the next keys, to be used after the time of --in, and remove those that ended long ago.

Every replica must have found the new files well before: running servers look every ` + signing.Interval.String() + `.
Run it from time to time, from one place; while a next key waits it adds none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			now := time.Now()
			if err := server.RotateKeys(c.Context(), args[0], now.Add(lead), now); err != nil {
				return fmt.Errorf("keys rotate: %w", err)
			}
			return listKeys(c, args[0])
		},
	}
	c.Flags().DurationVar(&lead, "in", time.Hour, "how long before the new keys sign, at least "+signing.MinLead.String())
	return c
}

func listKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list DIR",
		Short: "Say which signing keys there are, and what each is used for now",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return listKeys(c, args[0]) },
	}
}

func listKeys(c *cobra.Command, dir string) error {
	ring, err := signing.Open(c.Context(), signing.Files(dir), time.Now)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, k := range ring.Published() {
		current, _ := ring.Signing(k.Algorithm)
		state, from := "published", "the beginning"
		switch {
		case current.ID == k.ID:
			state = "signs"
		case k.From.After(time.Now()):
			state = "next"
		}
		if !k.From.IsZero() {
			from = k.From.Local().Format("2006-01-02 15:04:05 MST")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\tfrom %s\n", state, k.Algorithm, k.ID, from)
	}
	return table.Flush()
}
