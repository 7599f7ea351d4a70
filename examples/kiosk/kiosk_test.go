package kiosk_test

import (
	"testing"

	"github.com/loge-idp/loge/examples/kiosk"
	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/recovery/recoverytest"
)

func TestConformance(t *testing.T) {
	recoverytest.Run(t, func(t *testing.T) recoverytest.Harness {
		m, err := (&kiosk.Config{Attribute: "cardNumber"}).Open(t.Context(), recovery.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return recoverytest.Harness{
			Method:      m,
			Reachable:   account.Account{ID: "1", Attributes: map[string][]string{"cardNumber": {"04A2F3B18C"}}},
			Unreachable: account.Account{ID: "2"},
			Right:       []recovery.Answer{{Code: "04A2F3B18C"}},
		}
	})
}

func TestConfig(t *testing.T) {
	if _, err := (&kiosk.Config{}).Open(t.Context(), recovery.Env{}); err == nil {
		t.Error("opened without an attribute")
	}
}
