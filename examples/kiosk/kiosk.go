// Package kiosk shows a recovery method of one's own: at the kiosk of the
// university, whoever holds their student card to the reader has proved enough
// to choose a new password. A program adds it by
//
//	plugins := standard.Plugins()
//	plugins.Methods["studentcard"] = func() plugin.Config[recovery.Method, recovery.Env] { return &kiosk.Config{} }
//	os.Exit(cli.Main(plugins))
//
// and a site words it by method.studentcard.label and .hint in its locales. The
// kiosk opens /code?by=studentcard.
package kiosk

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// Config is the section of the method.
type Config struct {
	// Attribute of the directory holds the number in the chip. Required.
	Attribute string `json:"attribute"`
}

// Open checks the section.
func (c *Config) Open(context.Context, recovery.Env) (recovery.Method, error) {
	if c.Attribute == "" {
		return nil, plugin.At("attribute", errors.New("is missing; name the attribute of the directory that holds the number of the card"))
	}
	return &method{attribute: c.Attribute}, nil
}

type method struct {
	recovery.Silent
	attribute string
}

func (*method) Name() string { return "studentcard" }

func (m *method) Offers(a account.Account, _ recovery.Purpose) bool {
	return len(a.Values(m.attribute)) > 0
}

// Alone: the card is something that one person has. The engine counts the
// tries.
func (m *method) Alone(a account.Account, p recovery.Purpose) bool { return m.Offers(a, p) }

func (m *method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	read := strings.TrimSpace(a.Code)
	return read != "" && slices.ContainsFunc(c.Account.Values(m.attribute), func(number string) bool {
		return secret.New(number).Equal(secret.New(read))
	})
}
