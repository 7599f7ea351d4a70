package ldap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// Delegate does the changes of a directory that this service may only read: a
// command, or an address that is asked by HTTP. It is given a DelegateRequest
// as JSON, on its standard input or by POST, and answers with a DelegateAnswer
// or with nothing. A command that fails (exit status other than 0) and an
// address that does not answer with 2xx have changed nothing.
type Delegate struct {
	// Command is a program by its full path, and its arguments. Nothing of the
	// request is among them.
	Command []string `json:"command"`
	// URL is https://…, or http:// on this machine.
	URL string `json:"url"`
	// Token, if set, is sent as "Authorization: Bearer …".
	Token secret.String `json:"token"`
	// Timeout is for the whole; 10s by default.
	Timeout plugin.Duration `json:"timeout"`
}

// DelegateRequest is what is to be changed.
type DelegateRequest struct {
	// Action is "setPassword", "activate" or "unlock".
	Action   string     `json:"action"`
	ID       account.ID `json:"id"`
	Login    string     `json:"login"`
	DN       string     `json:"dn"`
	Password string     `json:"password,omitempty"`
}

// DelegateAnswer is what came of it.
type DelegateAnswer struct {
	// Rejected is why a new password was refused, as directory.Rejection says
	// it; empty when the change was made.
	Rejected string `json:"rejected"`
}

func (g *Delegate) check() error {
	if (len(g.Command) == 0) == (g.URL == "") {
		return errors.New("delegate: needs either a command or a url")
	}
	if g.URL == "" {
		return nil
	}
	u, err := url.Parse(g.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return errors.New("delegate.url: must be https://…; passwords do not cross a network in the clear")
	}
	return nil
}

// delegated has one change made. The state of the account is whatever the
// caller read; the delegate reads its own.
func (d *dir) delegated(ctx context.Context, id account.ID, action, password string) error {
	a, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	request, err := json.Marshal(DelegateRequest{Action: action, ID: a.ID, Login: a.Login, DN: a.Handle, Password: password})
	if err != nil {
		return err
	}
	ctx, cancel := deadline(ctx, d.delegate.Timeout.Or(10*time.Second))
	defer cancel()
	ask := d.delegate.post
	if len(d.delegate.Command) > 0 {
		ask = d.delegate.run
	}
	said, err := ask(ctx, request)
	if err != nil {
		return unavailable("delegate", err)
	}
	var answer DelegateAnswer
	if len(bytes.TrimSpace(said)) > 0 {
		// A page may be anybody's, and a command that talks may tell of a fault:
		// that it unlocked somebody is believed nevertheless, while a password is
		// tried by whoever asked for it.
		err := json.Unmarshal(said, &answer)
		if err != nil && (d.delegate.URL != "" || password != "") {
			return unavailable("delegate", errors.New("its answer is no JSON object; whether the change was made is not known"))
		}
	}
	switch {
	case answer.Rejected == "":
		return nil
	case slices.Contains([]string{"too_short", "in_history", "too_young", "weak"}, answer.Rejected):
		return fmt.Errorf("ldap: delegate: %w", &directory.Rejection{Why: answer.Rejected})
	}
	return fmt.Errorf("ldap: delegate: %w", &directory.Rejection{Why: "other"})
}

// name is the delegate for people.
func (g *Delegate) name() string {
	if g.URL != "" {
		return g.URL
	}
	return g.Command[0]
}

// reach reports why nobody could be asked for a change. None is.
func (g *Delegate) reach(ctx context.Context) error {
	if g.URL == "" {
		_, err := exec.LookPath(g.Command[0])
		return err
	}
	ctx, cancel := deadline(ctx, g.Timeout.Or(10*time.Second))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, g.URL, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close() // whatever it said of a HEAD
}

// maxAnswer is in bytes.
const maxAnswer = 64 << 10

func (g *Delegate) run(ctx context.Context, request []byte) ([]byte, error) {
	command := exec.CommandContext(ctx, g.Command[0], g.Command[1:]...)
	command.WaitDelay = time.Second
	command.Stdin = bytes.NewReader(request)
	out, err := command.Output()
	if err != nil { // what it wrote may hold what it was given
		return nil, fmt.Errorf("%s: %w", g.Command[0], err)
	}
	return out, nil
}

// client follows nobody elsewhere with a password.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (g *Delegate) post(ctx context.Context, request []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if !g.Token.Empty() {
		r.Header.Set("Authorization", "Bearer "+g.Token.Reveal())
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s answered %s", r.URL.Host, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
}
