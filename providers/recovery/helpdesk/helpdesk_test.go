package helpdesk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/recovery/recoverytest"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
)

func TestConformance(t *testing.T) {
	recoverytest.Run(t, func(t *testing.T) recoverytest.Harness {
		config := helpdesk.Config{}
		method, err := config.Open(t.Context(), recovery.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return recoverytest.Harness{Method: method, Reachable: account.Account{ID: "1", Login: "alice", Status: account.Active}}
	})
}

// R30: the cap is hard.
func TestBounds(t *testing.T) {
	_, err := (&helpdesk.Config{Life: plugin.Duration(48*time.Hour + time.Second)}).Open(t.Context(), recovery.Env{})
	if err == nil || !strings.HasPrefix(err.Error(), "life: ") {
		t.Errorf("%v", err)
	}
	method, err := (&helpdesk.Config{Life: plugin.Duration(48 * time.Hour)}).Open(t.Context(), recovery.Env{})
	if err != nil || method.Terms(recovery.Activate).Code != 48*time.Hour {
		t.Errorf("%v, %v", method, err)
	}
}
