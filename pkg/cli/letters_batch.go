package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/server"
)

func batchesCommand(plugins server.Plugins) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "batches",
		Short: "List what was printed in the last three months, from here and from the desk",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withPress(c.Context(), file, plugins, c.ErrOrStderr(), func(press *letters.Press) error {
				return listBatches(c.Context(), press, c.OutOrStdout())
			})
		},
	}
	configFlag(c, &file)
	return c
}

func listBatches(ctx context.Context, press *letters.Press, out io.Writer) error {
	batches, err := press.Batches(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BATCH\tBEGUN\tBY\tSTATE\tDONE\tCODES\tREMINDERS\tNONE")
	for _, b := range batches {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d/%d\t%d\t%d\t%d\n", b.Name, b.At.Local().Format(time.DateTime), b.By, b.State, b.Done(), b.Total, b.Codes, b.Reminders, b.Left)
	}
	return table.Flush()
}

func revokeCommand(plugins server.Plugins) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "revoke BATCH",
		Short:   "End every code of a printing that was not used yet",
		Example: `  loge letters revoke --config loge.yaml V3ti2jl`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withPress(c.Context(), file, plugins, c.ErrOrStderr(), func(press *letters.Press) error {
				err := press.Revoke(c.Context(), args[0], byCLI)
				if errors.Is(err, recovery.ErrBatch) {
					return fmt.Errorf("%s: there is no such batch, or it was revoked before; see loge letters batches", args[0])
				} else if err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: its codes are void.\n", args[0])
				return nil
			})
		},
	}
	configFlag(c, &file)
	return c
}

// withPress opens a server for what prints its letters.
func withPress(ctx context.Context, file string, plugins server.Plugins, errs io.Writer, do func(*letters.Press) error) (err error) {
	s, err := openServer(ctx, file, plugins, errs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	press := s.Press()
	if press == nil {
		return fmt.Errorf("%s: recovery.methods has no activationcode: letters have nothing to open", file)
	}
	return do(press)
}
