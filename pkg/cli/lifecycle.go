package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/server"
)

func lifecycleCommand(plugins server.Plugins) *cobra.Command {
	parent := &cobra.Command{Use: "lifecycle", Short: "What is due in the life of accounts", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var file string
	var apply bool
	run := &cobra.Command{
		Use:   "run",
		Short: "Write to people whose account will soon end",
		Long: `Write to people whose account will soon end.

Without --apply it only says to whom. Run it every day, by cron or a timer: each
reminder leaves once, however often and on however many machines it runs. The
mails are sent by "loge serve", with which this command shares the store.`,
		Example: "  loge lifecycle run --config loge.yaml\n  loge lifecycle run --config loge.yaml --apply",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runLifecycle(c.Context(), file, apply, plugins, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	configFlag(run, &file)
	run.Flags().BoolVar(&apply, "apply", false, "do it, instead of saying what would be done")
	parent.AddCommand(run)
	return parent
}

func runLifecycle(ctx context.Context, file string, apply bool, plugins server.Plugins, out, errs io.Writer) (err error) {
	s, err := openServer(ctx, file, plugins, errs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	reminders := s.Reminders()
	if reminders == nil {
		return fmt.Errorf("%s: reminders want a section mail and a directory that can be looked through", file)
	}
	// How many accounts there are is not known before they are read.
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(errs), progressbar.OptionSetDescription("accounts"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetVisibility(isTerminal(errs)))
	counts, err := reminders.Run(ctx, apply, func() { _ = bar.Add(1) }, func(d lifecycle.Due) {
		if !apply {
			fmt.Fprintf(out, "%s\tends %s\tin %d days\treminder J-%d\t%d mails\n", d.Account.Login,
				d.Account.Ends.In(account.Place).Format(time.DateOnly), d.Left, d.Step, d.Mails)
		}
	})
	_ = bar.Finish()
	verb := "would be written to; nothing was done, --apply does it"
	if apply {
		verb = "are written to"
	}
	fmt.Fprintf(out, "%d accounts: %d end soon; %d were told before, %d have no address; %d %s (%d mails).\n",
		counts.Looked, counts.Ending, counts.Told, counts.Unreached, counts.Due, verb, counts.Mails)
	return err
}

// isTerminal reports whether somebody is likely to look at what is written.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
