package directory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/loge-idp/loge/pkg/directory"
)

func TestRejection(t *testing.T) {
	err := fmt.Errorf("ldap: %w", &directory.Rejection{Why: "in_history"})
	if !errors.Is(err, directory.ErrRejected) {
		t.Error("is not ErrRejected")
	}
	for _, other := range []error{directory.ErrBadPassword, directory.ErrUnavailable, directory.ErrMustChange} {
		if errors.Is(err, other) {
			t.Errorf("is %v", other)
		}
	}
	var rejection *directory.Rejection
	if !errors.As(err, &rejection) || rejection.Why != "in_history" {
		t.Errorf("as %+v", rejection)
	}
	if got := err.Error(); got != "ldap: password rejected by the directory: in_history" {
		t.Error(got)
	}
}
