package server_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/birthdate"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
)

type fakeMail struct{}

func (*fakeMail) Open(context.Context, struct{}) (mail.Sender, error) { return &fakeMail{}, nil }
func (*fakeMail) Send(context.Context, mail.Message) error            { return nil }

// selecting is a directory that reads affiliations only.
type selecting struct{ directory.Directory }

func (s *selecting) Open(ctx context.Context, env directory.Env) (directory.Directory, error) {
	inner, err := (&memory.DirectoryConfig{}).Open(ctx, env)
	return &selecting{inner}, err
}

func (*selecting) Reads(attribute string) bool    { return attribute == "eduPersonAffiliation" }
func (s *selecting) Finds(attribute string) bool  { return s.Reads(attribute) }
func (s *selecting) Writes(attribute string) bool { return s.Reads(attribute) }

// A way that cannot be meant, or that could never be for anybody, is an error at
// start that names its place.
func TestWaysAreChecked(t *testing.T) {
	staff := account.Condition{Attribute: "eduPersonAffiliation", In: []string{"staff"}}
	for want, ways := range map[string][]recovery.Way{
		"":                            {{For: staff, AnyOf: [][]string{{"emaillink", "birthdate"}, {"helpdesk"}}}, {Purposes: []recovery.Purpose{recovery.Unlock}, AnyOf: [][]string{{"emaillink"}}}},
		"recovery.ways[0].anyOf[0]: ": {{AnyOf: [][]string{{"smscode"}}}},
		"recovery.ways[1].purposes: ": {{AnyOf: [][]string{{"emaillink"}}}, {Purposes: []recovery.Purpose{"fun"}, AnyOf: [][]string{{"emaillink"}}}},
		`recovery.ways[0].for: looks at "shoeSize", `: {{For: account.Condition{Not: &account.Condition{Attribute: "shoeSize"}}, AnyOf: [][]string{{"emaillink"}}}},
	} {
		w := newWorld(t)
		w.plugins.Mail = plugin.Set[mail.Sender, struct{}]{"fake": func() plugin.Config[mail.Sender, struct{}] { return &fakeMail{} }}
		w.plugins.Methods = plugin.Set[recovery.Method, recovery.Env]{
			"emaillink": func() plugin.Config[recovery.Method, recovery.Env] { return &emaillink.Config{} },
			"helpdesk":  func() plugin.Config[recovery.Method, recovery.Env] { return &helpdesk.Config{} },
			"birthdate": func() plugin.Config[recovery.Method, recovery.Env] { return &birthdate.Config{} },
		}
		w.config.Mail = plugin.Section(`{"type": "fake"}`)
		w.config.Directory = plugin.Section(`{"type": "selecting"}`)
		w.plugins.Directories["selecting"] = func() plugin.Config[directory.Directory, directory.Env] { return &selecting{} }
		w.config.Recovery.Ways = ways
		for _, name := range []string{"emaillink", "helpdesk", "birthdate"} {
			w.config.Recovery.Methods = append(w.config.Recovery.Methods, plugin.Section(`{"type": "`+name+`"}`))
		}
		s, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler))
		switch {
		case want == "" && err != nil:
			t.Error(err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%v, want %s…", err, want)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}

// A condition for privileged accounts that could never hold, a field nobody could
// fill and a step that nothing can keep are errors at start that name their
// place.
func TestAccountIsChecked(t *testing.T) {
	affiliation := portal.Field{Attribute: "eduPersonAffiliation", Label: render.Text{"": "Role"}}
	unseen := account.Condition{Attribute: "shoeSize"}
	charter := &portal.Terms{Version: "1", URL: "https://univ.example/charter"}
	for want, change := range map[string]func(*server.Config){
		"recovery.password.privileged: ": func(c *server.Config) { c.Recovery.Password.Privileged = &unseen },
		"account.fields[0].attribute: ":  func(c *server.Config) { c.Account.Fields = portal.Fields{{Attribute: "shoeSize"}} },
		"account.fields[0].who: looks at ": func(c *server.Config) {
			c.Account.Fields = portal.Fields{affiliation}
			c.Account.Fields[0].Who = unseen
		},
		"steps.notes: ":  func(c *server.Config) { c.Steps = portal.Steps{Address: &portal.Rescue{}} },
		"steps.notes: i": func(c *server.Config) { c.Steps = portal.Steps{Charter: charter, Notes: "shoeSize"} },
	} {
		w := newWorld(t)
		w.plugins.Mail = plugin.Set[mail.Sender, struct{}]{"fake": func() plugin.Config[mail.Sender, struct{}] { return &fakeMail{} }}
		w.plugins.Methods = plugin.Set[recovery.Method, recovery.Env]{"emaillink": func() plugin.Config[recovery.Method, recovery.Env] { return &emaillink.Config{} }}
		w.plugins.Directories["editing"] = func() plugin.Config[directory.Directory, directory.Env] { return &editing{} }
		w.config.Mail, w.config.Directory = plugin.Section(`{"type": "fake"}`), plugin.Section(`{"type": "editing"}`)
		w.config.Recovery.Methods = []plugin.Section{plugin.Section(`{"type": "emaillink"}`)}
		change(&w.config)
		s, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s…", err, want)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}

// A number that the directory does not read is an error at start: nobody's would
// be right.
func TestNumbersAreChecked(t *testing.T) {
	for name, want := range map[string]string{
		"eduPersonAffiliation": "",
		"supannEmpIdd":         `recovery.methods[0]: looks at "supannEmpIdd", `,
	} {
		w := newWorld(t)
		w.plugins.Mail = plugin.Set[mail.Sender, struct{}]{"fake": func() plugin.Config[mail.Sender, struct{}] { return &fakeMail{} }}
		w.plugins.Methods = plugin.Set[recovery.Method, recovery.Env]{
			"birthdate": func() plugin.Config[recovery.Method, recovery.Env] { return &birthdate.Config{} }}
		w.config.Mail = plugin.Section(`{"type": "fake"}`)
		w.config.Directory = plugin.Section(`{"type": "selecting"}`)
		w.plugins.Directories["selecting"] = func() plugin.Config[directory.Directory, directory.Env] { return &selecting{} }
		w.config.Recovery.Methods = []plugin.Section{plugin.Section(`{"type": "birthdate", "populations": [{"numbers": ["` + name + `"]}]}`)}
		w.config.Recovery.Ways = []recovery.Way{{AnyOf: [][]string{{"birthdate"}}}}
		s, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler))
		if want == "" != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s…", name, err, want)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}

// editing is selecting, and can be written to.
type editing struct{ selecting }

func (e *editing) Open(ctx context.Context, env directory.Env) (directory.Directory, error) {
	inner, err := (&memory.DirectoryConfig{}).Open(ctx, env)
	return &editing{selecting{inner}}, err
}

func (*editing) Replace(context.Context, account.ID, account.Contact, account.Contact) error {
	return nil
}

func (*editing) Edit(context.Context, account.ID, string, []string, []string) error { return nil }
