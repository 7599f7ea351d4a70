// Package cli is the command loge: flags, signals and what is printed where.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/loge-idp/loge/pkg/server"
)

// Main runs the command with the arguments of the process and returns its exit
// status. The plugins are those that a configuration may name. It ends in good
// order on SIGINT and SIGTERM, at once on the second.
func Main(plugins server.Plugins) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, plugins, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main without the process.
func Run(ctx context.Context, plugins server.Plugins, args []string, out, errs io.Writer) int {
	root := command(plugins)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	switch {
	case errors.Is(err, errFindings):
		return 1 // they are printed
	case errors.Is(err, errLater):
		fmt.Fprintln(errs, "loge: "+err.Error())
		return 75
	case err != nil:
		fmt.Fprintln(errs, "loge: "+err.Error())
		return 1
	}
	return 0
}

// errFindings ends a check that found something wrong.
var errFindings = errors.New("something is wrong")

func command(plugins server.Plugins) *cobra.Command {
	root := &cobra.Command{
		Use:           "loge",
		Short:         "One login for the applications of a school or a university, in front of its LDAP directory",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(plugins), checkCommand(plugins), keysCommand(), clientCommand(), versionCommand())
	root.AddCommand(importCommand(plugins))
	root.AddCommand(conformanceCommand(), lettersCommand(plugins), lifecycleCommand(plugins), bounceCommand(plugins))
	if plugins.Demo != nil {
		root.AddCommand(demoCommand(plugins))
	}
	return root
}

func demoCommand(plugins server.Plugins) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: everything in one process, with fictitious people and two applications",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			// The log would drown what is to be read; only faults are shown.
			logger := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
			return plugins.Demo(c.Context(), listen, c.OutOrStdout(), logger)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "loopback address, host:port; port 0 takes a free one")
	return c
}

// configFlag is the flag of the commands that read a configuration.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "", "configuration file (YAML)")
	if err := c.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was just made
	}
}

func serveCommand(plugins server.Plugins) *cobra.Command {
	var file, listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve what a configuration file says",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := server.Load(file)
			if err != nil {
				return err
			}
			if listen != "" {
				config.Listen = listen
			}
			return serve(c.Context(), config, plugins, slog.New(slog.NewJSONHandler(c.ErrOrStderr(), nil)))
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&listen, "listen", "", "address to listen on instead of the file's, for another replica")
	return c
}

func serve(ctx context.Context, config server.Config, plugins server.Plugins, logger *slog.Logger) (err error) {
	slog.SetDefault(logger) // of plugins that are given none: one form for every line
	s, err := server.Open(ctx, config, plugins, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	listener, err := net.Listen("tcp", s.Listen())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	logger.Info("serving", "issuer", config.Issuer, "listen", listener.Addr().String())
	if err := s.Run(ctx, listener, s.Handler()); err != nil {
		return err
	}
	logger.Info("stopped")
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version + " " + info.GoVersion
			}
			fmt.Fprintln(c.OutOrStdout(), "loge "+version)
			return nil
		},
	}
}
