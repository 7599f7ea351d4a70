// Command smsgateway is loge with one more way to send text messages: it lays
// each as a file *.sms into a folder, from which a modem's program takes them.
//
//	sms: {type: spool, folder: /var/spool/sms}
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/loge-idp/loge/pkg/cli"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/providers/standard"
)

// Spool is the folder. It is the plugin's configuration and the gateway.
type Spool struct {
	Folder string `json:"folder"`
}

// Open implements plugin.Config.
func (s *Spool) Open(context.Context, struct{}) (sms.Gateway, error) {
	if info, err := os.Stat(s.Folder); err != nil || !info.IsDir() {
		return nil, plugin.At("folder", errors.New("is not a directory"))
	}
	return s, nil
}

// Send implements sms.Gateway. The file is named by the message, so that one
// that is given again is there already: nothing is ever sent twice.
func (s *Spool) Send(ctx context.Context, m sms.Message) error {
	if err := errors.Join(m.Check(), ctx.Err()); err != nil {
		return err
	}
	part, whole := filepath.Join(s.Folder, m.ID+".part"), filepath.Join(s.Folder, m.ID+".sms")
	if err := os.WriteFile(part, []byte("To: "+m.To+"\n\n"+m.Text), 0o600); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer func() { _ = os.Remove(part) }()
	if err := os.Link(part, whole); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func main() {
	plugins := standard.Plugins()
	plugins.SMS["spool"] = func() plugin.Config[sms.Gateway, struct{}] { return &Spool{} }
	os.Exit(cli.Main(plugins))
}
