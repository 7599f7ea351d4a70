package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/server"
)

// byCLI is the operator of a command, in the audit.
const byCLI account.ID = "cli"

// lettersFlags say for whom, and what to print.
type lettersFlags struct {
	config, csv, out, group string
	where                   []string
	perPage                 int
	reset                   bool
}

func lettersCommand(plugins server.Plugins) *cobra.Command {
	var flags lettersFlags
	c := &cobra.Command{
		Use:   "letters",
		Short: "Print letters with a code for the first sign-in, as PDF, HTML or CSV",
		Long: `Print letters with a code for the first sign-in, as PDF, HTML or CSV.

Each letter has a new code; an older one of the same person ends. Whoever is
activated already gets a letter that recalls the identifier. The codes work on
the server that the configuration describes: its store must be a shared one.
Where the printing fails, or is interrupted, there is no file and its codes are
void.`,
		Example: `  loge letters --config loge.yaml --where 'ENTEleveClasses=…$3E2' --out 3E2.pdf --per-page 2
  loge letters --config loge.yaml --where departmentNumber=Sciences --where '!employeeType=guest' --out sciences.pdf
  loge letters --config loge.yaml --csv newcomers.csv --group departmentNumber --out newcomers.csv`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withPress(c.Context(), flags.config, plugins, c.ErrOrStderr(), func(press *letters.Press) error {
				return printLetters(c.Context(), press, flags, c.OutOrStdout(), c.ErrOrStderr())
			})
		},
	}
	configFlag(c, &flags.config)
	c.Flags().StringArrayVar(&flags.where, "where", nil, "attribute=value that all have, or attribute for any value, or ! before it for the contrary; may be repeated: values of one attribute are alternatives")
	c.Flags().StringVar(&flags.csv, "csv", "", "file whose first column are identifiers")
	c.Flags().StringVar(&flags.group, "group", "", "attribute that the letters are sorted by, a class for instance; that of the first --where when unset")
	c.Flags().StringVar(&flags.out, "out", "", "file to write, .pdf, .html or .csv; it must not exist")
	c.Flags().IntVar(&flags.perPage, "per-page", 1, "letters on a page: 1, 2 or 8")
	c.Flags().BoolVar(&flags.reset, "reset", false, "a code for those who are activated already too, to choose another password; the method activationcode must have reset")
	c.AddCommand(batchesCommand(plugins), revokeCommand(plugins))
	c.MarkFlagsMutuallyExclusive("where", "csv")
	c.MarkFlagsOneRequired("where", "csv")
	if err := c.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag was just made
	}
	return c
}

// openServer opens a server of which a command uses a part; only what is wrong is
// logged.
func openServer(ctx context.Context, file string, plugins server.Plugins, errs io.Writer) (*server.Server, error) {
	config, err := server.Load(file)
	if err != nil {
		return nil, err
	}
	return server.Open(ctx, config, plugins, slog.New(slog.NewJSONHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func printLetters(ctx context.Context, press *letters.Press, flags lettersFlags, out, errs io.Writer) (err error) {
	order := letters.Order{By: byCLI, Format: letters.Format(strings.TrimPrefix(filepath.Ext(flags.out), ".")), PerPage: flags.perPage, Reset: flags.reset}
	if flags.csv != "" {
		order.To, err = listed(ctx, press.Recovery.Directory, flags, errs)
	} else {
		order.To, err = searched(ctx, press.Recovery.Directory, flags)
	}
	if err != nil {
		return err
	}
	switch {
	case len(order.To) > 0:
	case flags.csv != "":
		return fmt.Errorf("nobody to print a letter for: the first column of %s has no identifier of anybody", flags.csv)
	default:
		return errors.New("nobody to print a letter for: no account has what every --where asks for")
	}
	bar := progressbar.NewOptions(len(order.To), progressbar.OptionSetWriter(errs), progressbar.OptionSetDescription("letters"),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	order.Progress = func() { _ = bar.Add(1) }
	done, err := write(ctx, press, flags.out, order)
	if err != nil {
		_ = bar.Exit()
		fmt.Fprintln(errs)
		return fmt.Errorf("%s is not written: %w", flags.out, err)
	}
	_ = bar.Finish()
	fmt.Fprintln(errs)
	fmt.Fprintf(out, "%s: %d with a code, %d that recall the identifier; %d got none, for the state of the account. Batch %s.\n",
		flags.out, done.Codes, done.Reminders, done.Left, done.Name)
	return nil
}

// write makes the file, readable by its owner only. It has its name once it is
// whole, and there is none when something went wrong.
func write(ctx context.Context, press *letters.Press, name string, order letters.Order) (done letters.Batch, err error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return done, cmp.Or(err, fmt.Errorf("%s: it is there already", name))
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return done, err
	}
	done, err = press.Print(ctx, file, order)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return done, errors.Join(err, os.Remove(file.Name()))
	}
	return done, nil
}

// searched are those who meet the conditions. What the directory can look for it
// is asked for; the rest is looked at here.
func searched(ctx context.Context, d directory.Directory, flags lettersFlags) ([]letters.Recipient, error) {
	q := directory.Query{Where: map[string][]string{}}
	var rest account.Condition
	for _, where := range flags.where {
		asks := operator.Asks(where)
		if asks.Attribute != "" && asks.In != nil && !slices.Contains(asks.In, "") {
			q.Where[asks.Attribute] = append(q.Where[asks.Attribute], asks.In...)
			flags.group = cmp.Or(flags.group, asks.Attribute)
			continue
		}
		if err := operator.Reads(d, asks); err != nil {
			return nil, fmt.Errorf("--where %q: write attribute=value, or an attribute of directory.attributes.release: %w", where, err)
		}
		rest.All = append(rest.All, asks)
	}
	return letters.Search(ctx, d, q, rest, flags.group)
}

// listed are those whom a file names. Who is not found is reported by the line,
// and stops nobody else's letter.
func listed(ctx context.Context, d directory.Directory, flags lettersFlags, errs io.Writer) (out []letters.Recipient, err error) {
	text, err := os.ReadFile(flags.csv)
	if err == nil {
		// Spreadsheets write UTF-16 too, and a mark before UTF-8.
		text, _, err = transform.Bytes(unicode.BOMOverride(transform.Nop), text)
	}
	if err != nil {
		return nil, err
	}
	rows := csv.NewReader(bytes.NewReader(text))
	rows.FieldsPerRecord = -1
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if i := bytes.IndexAny(first, ";\t"); i >= 0 {
		rows.Comma = rune(first[i]) // as spreadsheets write it where the comma is in numbers
	}
	unknown := 0
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			if unknown > 0 {
				fmt.Fprintf(errs, "%s: %d of %d lines name nobody\n", flags.csv, unknown, unknown+len(out))
			}
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flags.csv, err)
		}
		line, _ := rows.FieldPos(0)
		a, err := d.Find(ctx, strings.TrimSpace(row[0]))
		switch {
		case errors.Is(err, directory.ErrNotFound):
			unknown++
			fmt.Fprintf(errs, "%s:%d: nobody of this identifier\n", flags.csv, line)
		case err != nil:
			return nil, err
		default:
			out = append(out, letters.To(a, flags.group))
		}
	}
}
