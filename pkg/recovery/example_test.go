package recovery_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
)

// readers are the accounts of a program: passwords by mail address.
type readers map[string]secret.String

func (r readers) Find(_ context.Context, login string) (account.Account, error) {
	if _, ok := r[login]; !ok {
		return account.Account{}, directory.ErrNotFound
	}
	return account.Account{ID: account.ID(login), Login: login, Language: "en", Status: account.Active,
		Contacts: []account.Contact{{Kind: account.Email, Value: login}}}, nil
}

func (r readers) Get(ctx context.Context, id account.ID) (account.Account, error) {
	return r.Find(ctx, string(id))
}

func (r readers) Authenticate(_ context.Context, a account.Account, password secret.String) error {
	if password.Empty() || !password.Equal(r[a.Login]) {
		return directory.ErrBadPassword
	}
	return nil
}

func (r readers) SetPassword(_ context.Context, id account.ID, chosen secret.String) error {
	r[string(id)] = chosen
	return nil
}

func (readers) Activate(context.Context, account.ID) error { return nil }
func (readers) Unlock(context.Context, account.ID) error   { return nil }

// post is where mail goes.
type post chan mail.Message

func (p post) Send(_ context.Context, m mail.Message) error {
	p <- m
	return m.Check()
}

// A program with accounts and pages of its own has them recovered by a link: of
// Loge it needs the engine, one method and a store.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	people, sent, keys := readers{"ada@example.org": secret.New("forgotten")}, make(post, 9), secret.RandomKeyring()
	store, err := (&memory.StoreConfig{}).Open(ctx, struct{}{})
	if err != nil {
		panic(err)
	}
	pages, err := render.Open(render.Config{Issuer: "https://library.example"})
	if err != nil {
		panic(err)
	}
	method, err := (&emaillink.Config{}).Open(ctx, recovery.Env{Mail: sent, Pages: pages})
	if err != nil {
		panic(err)
	}
	box := &outbox.Outbox{Store: store, Box: keys.Box("outbox")}
	flow := &recovery.Flow{Store: store, Directory: people, Outbox: box, Keys: keys, Methods: []recovery.Method{method},
		Mail: sent, Pages: pages, Link: "https://library.example/link?t=", Home: "https://library.example/forgot",
		Audit: audit.Log{Logger: slog.New(slog.DiscardHandler)}}
	flow.Start()
	go box.Run(ctx)

	// The form of whoever has forgotten: the same answer for everybody.
	if _, err := flow.Begin(ctx, recovery.Begin{Purpose: recovery.Reset, Login: "ada@example.org", Language: "en"}); err != nil {
		panic(err)
	}
	// The button of the page that the link opens. The proof is for a cookie of
	// this browser.
	link := regexp.MustCompile(`/link\?t=(\w+)`).FindStringSubmatch((<-sent).Text)[1]
	proven, err := flow.Answer(ctx, recovery.Reply{Link: link})
	if err != nil {
		panic(err)
	}
	// The form of the new password.
	_, err = flow.Complete(ctx, proven.Proof, secret.New("123456"), "")
	fmt.Println(err)
	_, err = flow.Complete(ctx, proven.Proof, secret.New("cheval agrafe nuage 42"), "")
	fmt.Println(err, people["ada@example.org"].Reveal())
	fmt.Println((<-sent).Subject)
	// Output:
	// recovery: the password was refused
	// <nil> cheval agrafe nuage 42
	// Your password was changed
}
