// Package standard is the set of plugins that are shipped.
package standard

import (
	"context"
	"io"
	"log/slog"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/cas/apereo"
	"github.com/loge-idp/loge/providers/demo"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/oidc"
	"github.com/loge-idp/loge/providers/recovery/activationcode"
	"github.com/loge-idp/loge/providers/recovery/birthdate"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
	"github.com/loge-idp/loge/providers/recovery/question"
	"github.com/loge-idp/loge/providers/recovery/smscode"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/several"
	smsexec "github.com/loge-idp/loge/providers/sms/exec"
	smshttp "github.com/loge-idp/loge/providers/sms/http"
	"github.com/loge-idp/loge/providers/sms/ovh"
	"github.com/loge-idp/loge/providers/sms/twilio"
	"github.com/loge-idp/loge/providers/smtp"
)

// Plugins returns the set. Each call makes a new one: add to it, or take away,
// by the names that a configuration uses.
func Plugins() server.Plugins {
	directories := plugin.Set[directory.Directory, directory.Env]{
		"ldap": func() plugin.Config[directory.Directory, directory.Env] { return &ldap.Config{} },
	}
	directories["several"] = func() plugin.Config[directory.Directory, directory.Env] {
		return &several.Config{Plugins: directories}
	}
	plugins := server.Plugins{
		Directories: directories,
		Stores: plugin.Set[store.Store, struct{}]{
			"redis":  func() plugin.Config[store.Store, struct{}] { return &redis.Config{} },
			"memory": func() plugin.Config[store.Store, struct{}] { return &memory.StoreConfig{} },
		},
		Mail: plugin.Set[mail.Sender, struct{}]{
			"smtp": func() plugin.Config[mail.Sender, struct{}] { return &smtp.Config{} },
		},
		SMS: plugin.Set[sms.Gateway, struct{}]{
			"http":   func() plugin.Config[sms.Gateway, struct{}] { return &smshttp.Config{} },
			"ovh":    func() plugin.Config[sms.Gateway, struct{}] { return &ovh.Config{} },
			"twilio": func() plugin.Config[sms.Gateway, struct{}] { return &twilio.Config{} },
			"exec":   func() plugin.Config[sms.Gateway, struct{}] { return &smsexec.Config{} },
		},
		Protocols: plugin.Set[sso.Protocol, sso.Env]{
			"oidc": func() plugin.Config[sso.Protocol, sso.Env] { return &oidc.Config{} },
			"cas":  func() plugin.Config[sso.Protocol, sso.Env] { return &cas.Config{} },
		},
		Methods: plugin.Set[recovery.Method, recovery.Env]{
			"emaillink": func() plugin.Config[recovery.Method, recovery.Env] { return &emaillink.Config{} },
			"smscode":   func() plugin.Config[recovery.Method, recovery.Env] { return &smscode.Config{} },
			"helpdesk":  func() plugin.Config[recovery.Method, recovery.Env] { return &helpdesk.Config{} },
			"birthdate": func() plugin.Config[recovery.Method, recovery.Env] { return &birthdate.Config{} },
			"question":  func() plugin.Config[recovery.Method, recovery.Env] { return &question.Config{} },
			"activationcode": func() plugin.Config[recovery.Method, recovery.Env] {
				return &activationcode.Config{}
			},
		},
	}
	plugins.Imports = map[string]func(files []string, out, report io.Writer) error{"apereo": apereo.Import}
	plugins.Demo = func(ctx context.Context, listen string, out io.Writer, logger *slog.Logger) error {
		return demo.Run(ctx, plugins, listen, out, logger)
	}
	return plugins
}
