// Package exec sends text messages by a command of the site's own: a modem, a
// script around a gateway that no other plugin speaks to.
package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sms"
)

// Config is a command. It is started for every message, without a shell and
// with nothing of the message among its arguments, which everybody on a
// machine may read. Its standard input is the number in E.164 on the first
// line and the text from the second on; its environment has PATH, HOME and
// LOGE_SMS_ID, which is the same when the same message is sent again. What it
// prints is thrown away.
//
// It exits with 0 when the message was accepted, with 75 (EX_TEMPFAIL of
// sysexits.h) when it was not sent and may be tried again, and with anything
// else when it will never be sent. After a command that was killed nobody
// knows: its message is not sent again.
type Config struct {
	// Command is the program, by its path or by a name in PATH, and its
	// arguments. Required.
	Command []string `json:"command"`
	// Timeout kills it: 10 seconds unless set.
	Timeout plugin.Duration `json:"timeout"`
}

// Open looks whether there is such a program.
func (c *Config) Open(context.Context, struct{}) (sms.Gateway, error) {
	if len(c.Command) == 0 {
		return nil, plugin.At("command", errors.New(`is missing; write a list like ["/usr/local/bin/send-sms"]`))
	}
	path, err := exec.LookPath(c.Command[0])
	if err != nil {
		return nil, plugin.At("command[0]", errors.New("there is no such program, or it may not be run by this user"))
	}
	return &gateway{path, c.Command[1:], c.Timeout.Or(10 * time.Second)}, nil
}

type gateway struct {
	path    string
	args    []string
	timeout time.Duration
}

const tempFail = 75

// Send implements sms.Gateway.
func (g *gateway) Send(ctx context.Context, m sms.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	command := exec.CommandContext(ctx, g.path, g.args...)
	command.Stdin = strings.NewReader(m.To + "\n" + m.Text)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LOGE_SMS_ID=" + m.ID}
	command.WaitDelay = time.Second // a child of its own may hold our pipe
	if err := command.Start(); err != nil {
		return fmt.Errorf("exec: the command was not started: %w", err)
	}
	err := command.Wait()
	var exit *exec.ExitError
	switch {
	case command.ProcessState.Success():
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("exec: %w: %w", sms.ErrUncertain, ctx.Err())
	case !errors.As(err, &exit) || !exit.Exited():
		return fmt.Errorf("exec: %w: the command was killed", sms.ErrUncertain)
	case exit.ExitCode() == tempFail:
		return fmt.Errorf("exec: the command exited with %d", tempFail)
	}
	return fmt.Errorf("exec: %w: the command exited with %d", sms.ErrRefused, exit.ExitCode())
}
