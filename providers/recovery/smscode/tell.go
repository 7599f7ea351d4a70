package smscode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/sms"
)

// Tell implements recovery.Telling. What takes a change back is in the message
// if there is room, and else the helpdesk's number.
func (m *method) Tell(ctx context.Context, t recovery.Told) error {
	number, _ := m.usable(t.To.Value)
	text, err := m.notice(t.Language, t)
	if err != nil {
		return fmt.Errorf("smscode: %w", err)
	}
	if _, long := sms.Length(text); long != nil {
		t.URL = ""
		if text, err = m.notice(t.Language, t); err != nil {
			return fmt.Errorf("smscode: %w", err)
		}
	}
	err = m.send(ctx, sms.Message{ID: t.ID, To: number, Text: text, Account: t.Account})
	switch {
	case errors.Is(err, sms.ErrRefused):
		return fmt.Errorf("smscode: %w: %w", outbox.ErrGiveUp, err)
	case err != nil:
		return fmt.Errorf("smscode: %w", err)
	}
	return nil
}

func (m *method) notice(lang string, t recovery.Told) (string, error) {
	return m.pages.SMS(lang, render.SMSNotice{Name: m.name, Act: string(t.Notice), At: t.At, URL: t.URL})
}

// send gives a message to the gateway. One of which nobody knows whether it was
// sent counts as sent (F-SMS-01).
func (m *method) send(ctx context.Context, message sms.Message) error {
	err := m.gateway.Send(ctx, message)
	if errors.Is(err, sms.ErrUncertain) {
		m.logger.LogAttrs(ctx, slog.LevelWarn, "text message without an answer, not sent again", slog.Any("error", err))
		return nil
	}
	return err
}

// lint refuses what would not be a single text message (requirement R74).
func (m *method) lint() error {
	for _, lang := range m.pages.Languages() {
		texts := map[string]string{}
		for key, purpose := range map[string]recovery.Purpose{"sms.code": recovery.Reset, "sms.confirm": recovery.Contact} {
			text, err := m.text(lang, strings.Repeat("0", recovery.CodeLen), time.Now(), purpose)
			if err != nil {
				return err
			}
			texts[key] = text
		}
		for _, n := range []recovery.Notice{recovery.NoticeChanged, recovery.NoticeUnlocked, recovery.NoticeContact} {
			var err error
			if texts["sms."+string(n)], err = m.notice(lang, recovery.Told{Notice: n, At: time.Now()}); err != nil {
				return err
			}
		}
		for key, text := range texts {
			if _, err := sms.Length(text); err != nil {
				return plugin.At("siteName", fmt.Errorf("the message in %q: %w; give a short name here, or change the message %s", lang, err, key))
			}
		}
	}
	return nil
}
