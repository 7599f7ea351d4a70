package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/server"
)

// errLater ends a command that a mail server is to try again: EX_TEMPFAIL of
// sysexits.h.
var errLater = errors.New("try again later")

func bounceCommand(plugins server.Plugins) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "bounce",
		Short: "Read a message that came back, and trust its address no more",
		Long: `Read a message that came back, and trust its address no more.

A mail server hands it on the standard input what came to the address that
mail.bounces names, with whatever stands behind a plus sign. If the message says
that nobody reads at a rescue address, that address stands back, the desk sees
it, and the next login asks for another one, where steps.address is configured.
Anything else is left alone. The status is 0, or 75 for a mail server to try again.`,
		Example: `  # /etc/aliases, with recipient_delimiter = + in Postfix
  rebonds: "|/usr/bin/loge bounce --config /etc/loge/loge.yaml"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := readBounce(c.Context(), file, plugins, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()); err != nil {
				return fmt.Errorf("%w: %w", err, errLater)
			}
			return nil
		},
	}
	configFlag(c, &file)
	return c
}

func readBounce(ctx context.Context, file string, plugins server.Plugins, in io.Reader, out, errs io.Writer) (err error) {
	b, err := mail.ReadBounce(in)
	switch {
	case errors.Is(err, mail.ErrNoBounce):
		fmt.Fprintln(out, err)
		return nil
	case err != nil:
		return err
	case !b.Hard:
		fmt.Fprintln(out, "the address may still be read")
		return nil
	}
	s, err := openServer(ctx, file, plugins, errs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	switch err := s.Bounced(ctx, b.Mark); {
	case errors.Is(err, recovery.ErrWrong):
		fmt.Fprintln(out, "no message of the last days had this mark")
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(out, "the address is not trusted any more")
	return nil
}
