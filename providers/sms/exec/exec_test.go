package exec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/smstest"
	"github.com/loge-idp/loge/providers/sms/exec"
)

// script is a far end: it keeps what it is given in one file per message, with
// its arguments and its environment beside it, and does what the file "fault"
// says.
const script = `#!/bin/sh
cd "$1" || exit 1
read -r fault < fault
case $fault in
later) exit 75 ;;
never) exit 1 ;;
esac
cat > "$$.part"
{ echo "$@"; env; tr '\0' '\n' < /proc/$$/cmdline; } > "$$.seen"
mv "$$.part" "$$.sms"
case $fault in
silent) exec sleep 60 ;;
killed) kill -9 $$ ;;
esac
`

type farEnd struct {
	t   *testing.T
	dir string
}

func newFarEnd(t *testing.T, timeout time.Duration) (farEnd, sms.Gateway) {
	f := farEnd{t, t.TempDir()}
	program := filepath.Join(t.TempDir(), "send sms") // no shell splits it
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	f.fail("none")
	config := exec.Config{Command: []string{program, f.dir, "a b"}, Timeout: plugin.Duration(timeout)}
	gateway, err := config.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return f, gateway
}

func (f farEnd) fail(fault string) {
	if err := os.WriteFile(filepath.Join(f.dir, "fault"), []byte(fault+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// files are the contents of those with this suffix.
func (f farEnd) files(suffix string) []string {
	names, err := filepath.Glob(filepath.Join(f.dir, "*"+suffix))
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, string(content))
	}
	return out
}

func (f farEnd) received() []smstest.Received {
	var out []smstest.Received
	for _, content := range f.files(".sms") {
		to, text, _ := strings.Cut(content, "\n")
		out = append(out, smstest.Received{To: to, Text: text})
	}
	return out
}

func TestConformance(t *testing.T) {
	smstest.Run(t, func(t *testing.T) smstest.Harness {
		f, gateway := newFarEnd(t, time.Minute)
		return smstest.Harness{Gateway: gateway, Received: f.received, Fail: func(fault smstest.Fault, sent func()) {
			f.fail([]string{smstest.None: "none", smstest.Later: "later", smstest.Never: "never", smstest.Silent: "silent"}[fault])
			if fault != smstest.Silent {
				return
			}
			// The command cannot call us: it is seen to have sent.
			before := len(f.files(".sms"))
			go func() {
				for range 3000 {
					if len(f.files(".sms")) > before {
						break
					}
					time.Sleep(2 * time.Millisecond)
				}
				sent()
			}()
		}}
	})
}

// R75: nothing of the message is where other users of the machine look.
func TestNotAmongTheArguments(t *testing.T) {
	t.Setenv("SMTP_PASSWORD", "hunter2")
	f, gateway := newFarEnd(t, time.Minute)
	if err := gateway.Send(t.Context(), smstest.Message); err != nil {
		t.Fatal(err)
	}
	seen := strings.Join(f.files(".seen"), "")
	for _, private := range []string{"639980001", "042137", "hunter2"} {
		if strings.Contains(seen, private) {
			t.Errorf("the arguments or the environment have %q", private)
		}
	}
	if !strings.Contains(seen, "LOGE_SMS_ID="+smstest.Message.ID+"\n") || !strings.Contains(seen, "a b\n") {
		t.Errorf("the command was started as %q", seen)
	}
}

// F-SMS-01: of a command that was killed nobody knows.
func TestKilled(t *testing.T) {
	f, gateway := newFarEnd(t, time.Minute)
	f.fail("killed")
	if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(err, sms.ErrUncertain) {
		t.Errorf("%v", err)
	}
	f, gateway = newFarEnd(t, 200*time.Millisecond)
	f.fail("silent")
	if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(err, sms.ErrUncertain) {
		t.Errorf("after the timeout: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for place, command := range map[string][]string{"command": nil, "command[0]": {"/no/such/program"}} {
		_, err := (&exec.Config{Command: command}).Open(t.Context(), struct{}{})
		var where *plugin.Error
		if !errors.As(err, &where) || where.Path != place {
			t.Errorf("%v, want an error at %s", err, place)
		}
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&exec.Config{Command: []string{plain}}).Open(t.Context(), struct{}{}); err == nil {
		t.Error("opened with a file that is no program")
	}
}
