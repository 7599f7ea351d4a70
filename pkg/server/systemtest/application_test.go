package systemtest_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// request is one authorization request of an application.
type request struct {
	client, state, verifier string
}

func newRequest(client string) request {
	return request{client, rand.Text(), rand.Text() + rand.Text()}
}

func (r request) url(extra ...string) string {
	sum := sha256.Sum256([]byte(r.verifier))
	q := url.Values{"client_id": {r.client}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {r.state}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	return issuer + "/oidc/authorize?" + q.Encode()
}

// tokens is what the token endpoint answers.
type tokens struct {
	Status  int    `json:"-"`
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
}

// redeem exchanges a code at a process.
func (r request) redeem(t testing.TB, at *node, code string) tokens {
	t.Helper()
	return at.token(t, r.client, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {r.verifier}})
}

func (n *node) token(t testing.TB, client string, form url.Values) tokens {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, issuer+"/oidc/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Error(err)
		return tokens{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, clientSecret)
	answer, err := n.client.Do(r)
	if err != nil {
		t.Error(err) // not Fatal: races call this from many goroutines
		return tokens{}
	}
	defer answer.Body.Close()
	out := tokens{Status: answer.StatusCode}
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		t.Error(err)
	}
	return out
}

// userinfo asks a process who holds an access token; nil when it refuses.
func (n *node) userinfo(t testing.TB, access string) map[string]any {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, issuer+"/oidc/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	answer, err := n.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var claims map[string]any
	if answer.StatusCode != http.StatusOK {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func casLogin(service string) string {
	return issuer + "/cas/login?service=" + url.QueryEscape(service)
}

// casUser is an answer of CAS in JSON.
type casUser struct {
	Response struct {
		Success struct {
			User       string         `json:"user"`
			Attributes map[string]any `json:"attributes"`
		} `json:"authenticationSuccess"`
		Failure struct{ Code string } `json:"authenticationFailure"`
	} `json:"serviceResponse"`
}

// validate has a process validate a service ticket.
func (n *node) validate(t testing.TB, service, ticket string) casUser {
	t.Helper()
	var out casUser
	answer, err := n.client.Get(issuer + "/cas/p3/serviceValidate?format=JSON&service=" + url.QueryEscape(service) + "&ticket=" + url.QueryEscape(ticket))
	if err != nil {
		t.Error(err)
		return out
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		t.Error(err)
	}
	return out
}

// claimsOf reads a token without checking it.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	plain, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(plain, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
