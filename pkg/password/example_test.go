package password_test

import (
	"fmt"

	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/secret"
)

func ExamplePolicy_Check() {
	policy := password.Policy{Words: []string{"Université de Valmont"}}
	about := password.Context{Words: []string{"elefevre", "Élise Lefèvre"}}
	for _, chosen := range []string{"azerty", "V4lmont-lefevre", "trois petits chats bleus"} {
		fmt.Println(chosen, policy.Check(secret.New(chosen), about))
	}
	// Output:
	// azerty [too_short common sequence]
	// V4lmont-lefevre [context]
	// trois petits chats bleus []
}
